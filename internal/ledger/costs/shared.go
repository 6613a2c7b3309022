package costs

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cogniverse/cogflow/internal/postgres"
)

// sharedReader reads a ledger in PostgreSQL.
type sharedReader struct{ db *postgres.DB }

func (s *sharedReader) close() error {
	s.db.Close()
	return nil
}

func (s *sharedReader) now(ctx context.Context) (now time.Time, err error) {
	_, err = s.db.Row(ctx, "read the clock", "SELECT clock_timestamp()", nil, []any{&now})
	return now, err
}

func (s *sharedReader) costs(ctx context.Context, query string, args []any, take func(scan func(into ...any) error) error) error {
	return s.db.Rows(ctx, "sum up costs", query, args, func(row pgx.CollectableRow) error { return take(row.Scan) })
}

func (s *sharedReader) dialect() dialect {
	return dialect{
		from: "cogflow.call c", outcome: "outcome", before: "e.attempt<c.attempt", begun: "begun_at",
		org: "split_part(tenant, ':', 1)",
		day: "(begun_at AT TIME ZONE 'UTC')::date", dayText: func(day string) string { return "to_char(" + day + ", 'YYYY-MM-DD')" },
		float:  func(sum string) string { return "coalesce(sum(" + sum + "), 0)::float8" },
		arg:    func(n int) string { return "$" + strconv.Itoa(n) },
		moment: func(t time.Time) any { return t },
	}
}
