package ledger

import (
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/ledger/ledgertest"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

func TestPostgres(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t testing.TB) ledgertest.Store { return storeAt(postgrestest.Shared(t).Database(t)) })
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
