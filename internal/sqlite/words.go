package sqlite

import (
	"context"
	"database/sql"

	"github.com/cogniverse/cogflow/internal/index"
	"github.com/cogniverse/cogflow/internal/index/postings"
	"github.com/cogniverse/cogflow/internal/index/terms"
)

// maxPhrases limits the work of one query; further words are ignored.
const maxPhrases = 64

// Constants of BM25, as in FTS5, Lucene and Vespa.
const (
	termSaturation = 1.2  // k1
	lengthPenalty  = 0.75 // b
)

// addText adds a document's texts to the words of its segment.
func addText(b *postings.Builder, caption, onScreen, transcript, name string) {
	b.Next()
	add := func(text string) {
		terms.Tokens(text, func(t terms.Token) { b.Add(t.Text, t.Joined) })
	}
	add(caption)
	add(onScreen)
	add(transcript)
	b.Minor() // a word in a file name is less specific to a frame than one in its caption
	add(name)
}

// rankWords scores the documents that contain any phrase of the text by BM25, and that have
// the least part of the score of all phrases. The frequency of a phrase is that in the whole
// view.
func (s *selection) rankWords(ctx context.Context, text string, least float64) ([]scored, error) {
	phrases := terms.Query(text, maxPhrases)
	if len(phrases) == 0 || s.size() == 0 {
		return nil, nil
	}
	sums := s.scratch()
	defer s.sums.Put(sums)
	average := max(1, float64(s.terms)/float64(s.size()))
	var found []postings.Match
	total, whole := 0, 0.0
	for _, p := range phrases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found = s.find(p.Terms, found[:0])
		rarity := index.Rarity(float64(s.size()), float64(len(found)))
		whole += rarity
		for _, m := range found {
			count, sum := float64(m.Count), &(*sums)[m.Doc]
			if *sum == 0 {
				total++
			}
			length := float64(s.lengths[m.Doc]) / average
			*sum += rarity * count * (termSaturation + 1) / (count + termSaturation*(1-lengthPenalty+lengthPenalty*length))
		}
	}
	list := make([]scored, 0, total)
	for at, sum := range *sums {
		if sum > 0 && sum >= least*whole && s.includes(int32(at)) {
			list = append(list, scored{int32(at), sum})
		}
	}
	return list, nil
}

// find lists the documents of all segments that have a phrase, by their positions.
func (v *view) find(phrase []string, found []postings.Match) []postings.Match {
	for i, s := range v.segments {
		from := len(found)
		found = s.words.Find(phrase, found)
		for k := range found[from:] {
			found[from+k].Doc += v.first[i]
		}
	}
	return found
}

// scratch returns zeros, one for each document.
func (v *view) scratch() *[]float64 {
	sums, ok := v.sums.Get().(*[]float64)
	if !ok {
		all := make([]float64, v.size())
		return &all
	}
	clear(*sums)
	return sums
}

// addWords adds the documents of a scope that match where to its table of words, in which
// earlier builds search. They share the file during an upgrade, and after a rollback.
func addWords(ctx context.Context, tx *sql.Tx, scope int64, where string, args ...any) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO "+wordsTable(scope)+
		" (rowid, caption, on_screen_text, transcript, name)"+
		" SELECT id, caption, on_screen_text, transcript, name FROM document WHERE "+where, args...)
	return err
}
