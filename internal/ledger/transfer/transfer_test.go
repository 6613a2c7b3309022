package transfer

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver

	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

func open(t *testing.T, place string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(place)
	require.NoError(t, err)
	return l
}

// filled is a file with entries of all outcomes, of several tenants, jobs, workflows and models,
// with and without tokens, and with budgets. No call is in flight.
func filled(t *testing.T, calls int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, file)
	ended := []money.Outcome{money.Answered, money.BilledFailure, money.Refused, money.Lost}
	for i := range calls {
		r, err := l.TryReserve(t.Context(), video.Call{
			Tenant: tenant.ID([]string{"acme", "uni:vision"}[i%2]), Job: fmt.Sprint("job-", i%3), Workflow: fmt.Sprint("w-", i%5), Kind: "describe",
			Model: fmt.Sprint("m", i%2), Fingerprint: video.Fingerprint(fmt.Sprint("f", i)), CostMicroUSD: 100, GPU: "h100",
		}, 0)
		require.NoError(t, err)
		if i == calls-1 {
			break // lost with its process
		}
		said := money.Booking{Outcome: ended[i%len(ended)], MicroUSD: int64(i % 7 * 10)}
		if i%4 == 0 {
			said.Used = money.Used{InputTokens: 1000, OutputTokens: 20, CachedTokens: 3}
		}
		_, err = l.Settle(t.Context(), r.Key, said)
		require.NoError(t, err)
	}
	require.NoError(t, l.SetBudget(t.Context(), money.Budget{Scope: money.Scope{Tenant: "acme"}, Period: money.Month, MicroUSD: 5_000_000}))
	require.NoError(t, l.SetBudget(t.Context(), money.Budget{Scope: money.Scope{Model: "m1"}, Period: money.Total, MicroUSD: 7_000_000, Soft: true}))
	require.NoError(t, l.Close())
	return file
}

func inFile(t *testing.T, file string, do func(db *sql.DB)) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	do(db)
	require.NoError(t, db.Close())
}

func quiet(int64, int64) {}

// TestCopy: both ledgers answer every question in the same way, and a second copy adds nothing.
func TestCopy(t *testing.T) {
	t.Parallel()
	const calls = 60
	file, url := filled(t, calls), postgrestest.Shared(t).Database(t)
	// Rows of a build without keys, and without outcomes.
	inFile(t, file, func(db *sql.DB) {
		for i, answered := range []int{1, 0} {
			_, err := db.ExecContext(t.Context(), `INSERT INTO call (tenant, job, workflow, kind, model, fingerprint, begun_ms, ended_ms, answered, cost)
				VALUES ('acme', 'old', 'w', 'describe', 'm0', ?, 1700000000000, 1700000001000, ?, 40)`, fmt.Sprint("old", i), answered)
			require.NoError(t, err)
		}
		_, err := db.ExecContext(t.Context(), `INSERT INTO spend VALUES ('acme', 'old', 80)`)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), `INSERT INTO spend_workflow VALUES ('acme', 'old', 'w', 80)`)
		require.NoError(t, err)
	})
	r, err := Copy(t.Context(), file, url, quiet)
	require.NoError(t, err)
	require.EqualValues(t, calls+2, r.File.Entries)
	require.Positive(t, r.File.MicroUSD)
	require.Equal(t, r.File, r.Copied)
	require.Equal(t, r.File, r.Added)
	require.EqualValues(t, 2, r.Budgets)
	again, err := Copy(t.Context(), file, url, quiet)
	require.NoError(t, err)
	require.Equal(t, Result{File: r.File, Copied: r.File}, again)

	a, b := open(t, file), open(t, url)
	for _, owner := range []tenant.ID{"acme", "uni:vision"} {
		for _, job := range []string{"job-0", "job-1", "job-2", "old"} {
			for _, workflow := range []string{"", "w-0", "w-1", "w"} {
				x, err := a.Spent(t.Context(), owner, job, workflow)
				require.NoError(t, err)
				y, err := b.Spent(t.Context(), owner, job, workflow)
				require.NoError(t, err)
				require.Equal(t, x, y, "%s %s %s", owner, job, workflow)
			}
			x, err := a.Job(t.Context(), owner, job)
			require.NoError(t, err)
			y, err := b.Job(t.Context(), owner, job)
			require.NoError(t, err)
			require.Equal(t, x, y, "%s %s", owner, job)
		}
	}
	x, err := a.Budgets(t.Context())
	require.NoError(t, err)
	y, err := b.Budgets(t.Context())
	require.NoError(t, err)
	require.Len(t, x, 2)
	for i := range x {
		require.Equal(t, x[i].Budget, y[i].Budget)
		require.Equal(t, x[i].Settled, y[i].Settled)
	}
	// A call whose entry was settled in the file is not made again, and its late bill counts.
	_, err = b.TryReserve(t.Context(), video.Call{Tenant: "acme", Job: "job-0", Kind: "describe", Fingerprint: "f0", Attempt: 1, Model: "m0"}, 0)
	require.ErrorContains(t, err, "settled already")
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// TestCopyInterrupted: a copy that is interrupted after any batch is completed by the next one.
func TestCopyInterrupted(t *testing.T) {
	t.Parallel()
	file, url := filled(t, 3), postgrestest.Shared(t).Database(t)
	inFile(t, file, func(db *sql.DB) {
		_, err := db.ExecContext(t.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
			INSERT INTO call (tenant, job, workflow, kind, model, fingerprint, begun_ms, ended_ms, answered, cost, key, attempt, outcome)
			SELECT 'acme', 'big', 'w', 'embed', 'm', 'f' || i, 1700000000000+i, 1700000001000+i, 1, i % 11, 'k' || i, 1, 'answered' FROM n`, 2*batchSize)
		require.NoError(t, err)
	})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Copy(ctx, file, url, func(int64, int64) { cancel() })
	require.Error(t, err)
	r, err := Copy(t.Context(), file, url, quiet)
	require.NoError(t, err)
	require.EqualValues(t, 2*batchSize+3, r.Copied.Entries)
	require.EqualValues(t, batchSize+3, r.Added.Entries, "the first batch was committed")
}

// TestCopyTwoHosts: the files of two hosts that used the same key for different payments are
// both copied in full.
func TestCopyTwoHosts(t *testing.T) {
	t.Parallel()
	url := postgrestest.Shared(t).Database(t)
	one, two := filled(t, 9), filled(t, 9)
	inFile(t, two, func(db *sql.DB) {
		_, err := db.ExecContext(t.Context(), "UPDATE call SET begun_ms=begun_ms+1")
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "UPDATE budget SET amount=1")
		require.NoError(t, err)
	})
	var total int64
	for i, file := range []string{one, two, one, two} {
		r, err := Copy(t.Context(), file, url, quiet)
		require.NoError(t, err)
		total += r.Added.MicroUSD
		require.Equal(t, i == 1, r.Renamed == 9, i)
		require.Equal(t, i%2 == 1, len(r.Kept) == 2, "%v", r.Kept)
		if i < 2 {
			require.EqualValues(t, 9, r.Added.Entries)
		} else {
			require.Zero(t, r.Added)
		}
	}
	c, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	var settled, periods int64
	require.NoError(t, c.QueryRow(t.Context(), `SELECT (SELECT sum(settled) FROM cogflow.spend)::bigint,
		(SELECT sum(settled) FROM cogflow.spend_period WHERE period='total')::bigint`).Scan(&settled, &periods))
	require.NoError(t, c.Close(t.Context()))
	require.Equal(t, []int64{total, total}, []int64{settled, periods})
}

// TestCopyRefuses refuses a file that is in use, and sums that differ.
func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	url := postgrestest.Shared(t).Database(t)
	file := filled(t, 5)
	l := open(t, file)
	r, err := l.TryReserve(t.Context(), video.Call{Tenant: "acme", Job: "open", Model: "m", Fingerprint: "open", CostMicroUSD: 1}, 0)
	require.NoError(t, err)
	_, err = Copy(t.Context(), file, url, quiet)
	require.ErrorContains(t, err, "1 calls are in flight")
	_, err = l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: 1})
	require.NoError(t, err)
	require.NoError(t, l.Close())

	_, err = Copy(t.Context(), file, url, func(int64, int64) {
		inFile(t, file, func(db *sql.DB) {
			_, err := db.ExecContext(t.Context(), "UPDATE call SET cost=cost+1 WHERE fingerprint='f1'")
			require.NoError(t, err)
		})
	})
	require.ErrorContains(t, err, "has changed meanwhile")
	_, err = Copy(t.Context(), file, url, quiet)
	require.ErrorContains(t, err, "the sums differ")
	_, err = Copy(t.Context(), filepath.Join(t.TempDir(), "none.db"), url, quiet)
	require.ErrorIs(t, err, ledger.ErrAbsent)
	_, err = Copy(t.Context(), file, "postgres://nobody@127.0.0.1:1/none", quiet)
	require.Error(t, err)
}

// TestColumns: an addition to either schema must be copied, too.
func TestColumns(t *testing.T) {
	t.Parallel()
	url := postgrestest.Shared(t).Database(t)
	require.NoError(t, open(t, url).Close())
	c, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	rows, err := c.Query(t.Context(), "SELECT column_name FROM information_schema.columns WHERE table_schema='cogflow' AND table_name='call'")
	require.NoError(t, err)
	shared, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NoError(t, c.Close(t.Context()))
	require.ElementsMatch(t, columns(), shared)
	var file []string
	inFile(t, filled(t, 1), func(db *sql.DB) {
		rows, err := db.QueryContext(t.Context(), "SELECT name FROM pragma_table_info('call')")
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var name string
			require.NoError(t, rows.Scan(&name))
			file = append(file, name)
		}
		require.NoError(t, rows.Err())
	})
	slices.Sort(file)
	require.Equal(t, []string{
		"answered", "attempt", "begun_ms", "cached_tokens", "cost", "ended_ms", "fingerprint", "gpu", "gpu_ms", "id", "input_tokens", "job", "key", "kind", "model",
		"outcome", "output_tokens", "process", "reasoning_tokens", "tenant", "workflow",
	}, file)
}
