package ledger

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/ledger/ledgertest"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
)

func TestPostgres(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t testing.TB) ledgertest.Store { return storeAt(postgrestest.Shared(t).Database(t)) })
}

// movedStore is a store whose database has a clock that tests move.
func movedStore(t testing.TB) ledgertest.Store {
	url := postgrestest.Shared(t).Database(t)
	c, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close(context.WithoutCancel(t.Context()))) })
	do := func(t testing.TB, query string, args ...any) {
		t.Helper()
		_, err := c.Exec(t.Context(), query, args...)
		require.NoError(t, err)
	}
	do(t, `CREATE SCHEMA ahead;
		CREATE TABLE ahead.skew (length interval NOT NULL);
		INSERT INTO ahead.skew VALUES (interval '0');
		CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
			RETURN pg_catalog.clock_timestamp() + (SELECT length FROM ahead.skew);
		DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = ahead, pg_catalog', current_database()); END $$`)
	s := storeAt(url)
	s.Jump = func(t testing.TB, by time.Duration) {
		do(t, "UPDATE ahead.skew SET length = length + $1::interval", by)
	}
	return s
}

func storeAt(url string) ledgertest.Store {
	in := func(t testing.TB, do func(c *pgx.Conn) error) {
		t.Helper()
		c, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		require.NoError(t, do(c))
		require.NoError(t, c.Close(t.Context()))
	}
	return ledgertest.Store{
		Open: func(t testing.TB) (ledgertest.Ledger, func()) {
			l := open(t, url)
			return l, func() { kill(t, l) }
		},
		Age: func(t testing.TB, d time.Duration) {
			in(t, func(c *pgx.Conn) error {
				return pgx.BeginFunc(t.Context(), c, func(tx pgx.Tx) error {
					_, err := tx.Exec(t.Context(), "UPDATE cogflow.call SET begun_at=begun_at-$1::interval, ended_at=ended_at-$1::interval", d)
					if err == nil {
						_, err = tx.Exec(t.Context(), "UPDATE cogflow.process SET seen_at=seen_at-$1::interval", d)
					}
					if err == nil {
						_, err = tx.Exec(t.Context(), "UPDATE cogflow.outage SET ended_at=ended_at-$1::interval", d)
					}
					return err
				})
			})
		},
		Stop: func(t testing.TB) {
			in(t, func(c *pgx.Conn) error {
				_, err := c.Exec(t.Context(), `CREATE SCHEMA IF NOT EXISTS ahead;
					DO $$ BEGIN
						EXECUTE format('CREATE OR REPLACE FUNCTION ahead.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql RETURN %L::timestamptz', clock_timestamp());
						EXECUTE format('ALTER DATABASE %I SET search_path = ahead, pg_catalog', current_database());
					END $$`)
				return err
			})
		},
		Now: func(t testing.TB) (now time.Time) {
			in(t, func(c *pgx.Conn) error { return c.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now) })
			return now
		},
		Seen: func(t testing.TB) (ago time.Duration) {
			in(t, func(c *pgx.Conn) error {
				return c.QueryRow(t.Context(), "SELECT coalesce(clock_timestamp() - max(seen_at), interval '1 year') FROM cogflow.process").Scan(&ago)
			})
			return ago
		},
	}
}

func openShared1(b *testing.B) *Ledger {
	b.Helper()
	return open(b, postgrestest.Shared(b).Database(b))
}

func openShared4(b *testing.B) (out []*Ledger) {
	b.Helper()
	url := postgrestest.Shared(b).Database(b)
	for range 4 {
		out = append(out, open(b, url))
	}
	return out
}
