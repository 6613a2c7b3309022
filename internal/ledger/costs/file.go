package costs

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/ledger/schema"
)

// fileReader reads a ledger in a file of this host.
type fileReader struct{ db *dbfile.DB }

func openFileReader(ctx context.Context, path string) (*fileReader, error) {
	db, err := dbfile.Open(ctx, path, schema.File())
	return &fileReader{db}, err
}

func (f *fileReader) close() error { return f.db.Close() }

// now is the clock of the host, as for entries.
func (f *fileReader) now(context.Context) (time.Time, error) { return time.Now(), nil }

func (f *fileReader) costs(ctx context.Context, query string, args []any, take func(scan func(into ...any) error) error) error {
	return f.db.View(ctx, "sum up costs", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := take(rows.Scan); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

func (f *fileReader) dialect() dialect {
	return dialect{
		from: "call c", outcome: "(" + schema.EndedInFile + ")", before: "e.id<c.id", begun: "begun_ms",
		org: "substr(tenant, 1, instr(tenant || ':', ':')-1)",
		day: "begun_ms/86400000", dayText: func(day string) string { return "date(" + day + "*86400, 'unixepoch')" },
		float:  func(sum string) string { return "total(" + sum + ")" },
		arg:    func(n int) string { return "?" + strconv.Itoa(n) },
		moment: func(t time.Time) any { return t.UnixMilli() },
	}
}
