package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/internal/dbfile"
)

// maxWords limits the work of one query; further words are ignored.
const maxWords = 64

// matchExpression turns user input into an FTS5 expression that matches any of its words.
// Only letters, digits and their marks are kept, and each word is quoted, so that input
// cannot be FTS5 syntax. It is empty when no word is left.
func matchExpression(text string) string {
	var quoted []string
	seen := map[string]bool{}
	words := strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool {
		return r == unicode.ReplacementChar || !unicode.In(r, unicode.L, unicode.N, unicode.M)
	})
	for word := range words {
		if seen[word] {
			continue
		}
		seen[word] = true
		quoted = append(quoted, `"`+word+`"`)
		if len(quoted) == maxWords {
			break
		}
	}
	return strings.Join(quoted, " OR ")
}

// A word in a file name is less specific to a frame than one in its caption.
const columnWeights = "1.0, 1.0, 1.0, 0.5" // caption, on-screen text, transcript, name

// rankWords scores the documents of a view that contain any word of the text by
// BM25; a higher score is better.
func rankWords(ctx context.Context, tx *sql.Tx, v *view, text string) ([]scored, error) {
	expression := matchExpression(text)
	if expression == "" {
		return nil, nil
	}
	table := wordsTable(v.scope)
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT rowid, bm25(%[1]s, %[2]s) FROM %[1]s WHERE %[1]s MATCH ?",
		table, columnWeights), expression)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []scored
	for rows.Next() {
		var id int64
		var score float64 // FTS5's bm25() returns smaller values for better matches
		if err := rows.Scan(&id, &score); err != nil {
			return nil, err
		}
		at, ok := v.position[id]
		if !ok {
			return nil, fmt.Errorf("%w: words of row %d without a document", dbfile.ErrDamaged, id)
		}
		found = append(found, scored{at: at, score: -score})
	}
	return found, rows.Err()
}
