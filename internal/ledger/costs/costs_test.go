package costs_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/internal/ledger/schema"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// store is a new, empty ledger.
type store struct {
	place string
	age   func(t testing.TB, d time.Duration) // makes all entries older
}

func (s store) ledger(t testing.TB) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(s.place)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func (s store) reader(t testing.TB) *costs.Reader {
	t.Helper()
	r, err := costs.Open(t.Context(), s.place)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func inFile(t testing.TB) store {
	path := filepath.Join(t.TempDir(), "ledger.db")
	return store{path, func(t testing.TB, d time.Duration) {
		change(t, path, "UPDATE call SET begun_ms=begun_ms-?1, ended_ms=ended_ms-?1", d.Milliseconds())
	}}
}

// change writes to a file as another process does.
func change(t testing.TB, path, query string, args ...any) {
	t.Helper()
	db, err := dbfile.Open(t.Context(), path, schema.File())
	require.NoError(t, err)
	require.NoError(t, db.Update(t.Context(), "test", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), query, args...)
		return err
	}))
	require.NoError(t, db.Close())
}

func inDatabase(t testing.TB) store {
	url := postgrestest.Shared(t).Database(t)
	return store{url, func(t testing.TB, d time.Duration) {
		execute(t, url, "UPDATE cogflow.call SET begun_at=begun_at-$1::interval, ended_at=ended_at-$1::interval", d)
	}}
}

func execute(t testing.TB, url, query string, args ...any) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = c.Exec(t.Context(), query, args...)
	require.NoError(t, err)
	require.NoError(t, c.Close(t.Context()))
}

func call(job, fingerprint string, micro int64) video.Call {
	return video.Call{
		Tenant: "acme", Job: job, Workflow: job + "/video", Kind: "describe", Model: "vlm",
		Fingerprint: video.Fingerprint(fingerprint), Attempt: 1, CostMicroUSD: micro,
	}
}

func begin(t testing.TB, l *ledger.Ledger, c video.Call) (key string) {
	t.Helper()
	r, err := l.TryReserve(t.Context(), c, 0)
	require.NoError(t, err)
	return r.Key
}

func settle(t testing.TB, l *ledger.Ledger, key string, o money.Outcome, micro int64) {
	t.Helper()
	_, err := l.Settle(t.Context(), key, money.Booking{Outcome: o, MicroUSD: micro})
	require.NoError(t, err)
}

// TestCosts runs the suite on both databases.
func TestCosts(t *testing.T) {
	t.Parallel()
	for name, newStore := range map[string]func(testing.TB) store{"SQLite": inFile, "PostgreSQL": inDatabase} {
		for what, test := range map[string]func(*testing.T, store){"Sums": testSums, "Nothing": testNothing} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				test(t, newStore(t))
			})
		}
	}
}

// TestAbsent: a ledger that does not exist is not made.
func TestAbsent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	_, err := costs.Open(t.Context(), path)
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "does not exist")
	require.NoFileExists(t, path)
	url := postgrestest.Shared(t).Database(t)
	for range 2 {
		_, err = costs.Open(t.Context(), url)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
		require.ErrorContains(t, err, "open call ledger")
		require.ErrorContains(t, err, "it does not exist in this database; workers create it")
	}
}

// TestPrivilege: a user who may only read rows can sum them up.
func TestPrivilege(t *testing.T) {
	t.Parallel()
	s := inDatabase(t)
	begin(t, s.ledger(t), call("job", "a", 60))
	execute(t, s.place, "CREATE ROLE auditor LOGIN")
	execute(t, s.place, "GRANT USAGE ON SCHEMA cogflow TO auditor")
	execute(t, s.place, "GRANT SELECT ON ALL TABLES IN SCHEMA cogflow TO auditor")
	s.place = strings.Replace(s.place, "postgres@", "auditor@", 1)
	got, err := s.reader(t).Costs(t.Context(), money.CostQuery{})
	require.NoError(t, err)
	require.EqualValues(t, 60, got.Total.ReservedMicroUSD)
}

// TestFormerBuild: entries without keys and outcomes are summed up like others.
func TestFormerBuild(t *testing.T) {
	t.Parallel()
	s := inFile(t)
	s.ledger(t)
	for i, ended := range []string{"1, 1, 5", "1, 0, 6", "1, 0, 0", "NULL, 0, 7", "1, 1, 8"} {
		change(t, s.place, fmt.Sprintf(`INSERT INTO call (tenant, job, workflow, kind, model, fingerprint, begun_ms, ended_ms, answered, cost, process)
			VALUES ('acme', 'job', 'w', 'describe', 'vlm', 'f%d', 1, %s, 'living')`, i%4, ended))
	}
	change(t, s.place, "INSERT INTO process (id, seen_ms) VALUES ('living', 1<<60)")
	got, err := s.reader(t).Costs(t.Context(), money.CostQuery{By: []money.Dimension{money.ByDay}})
	require.NoError(t, err)
	want := money.Cost{Calls: 5, Answered: 2, Charged: 1, Refused: 1, Open: 1, Repeated: 1, SettledMicroUSD: 19, FailedMicroUSD: 6, ReservedMicroUSD: 7}
	require.Equal(t, money.Costs{Total: want, Groups: []money.CostGroup{{Values: []string{"1970-01-01"}, Cost: want}}, Number: 1}, got)
}

// BenchmarkCosts sums up one million entries of 100 days.
func BenchmarkCosts(b *testing.B) {
	const entries = 1_000_000
	file, shared := inFile(b), inDatabase(b)
	file.ledger(b)
	shared.ledger(b)
	change(b, file.place, `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<?1-1)
		INSERT INTO call (tenant, job, workflow, kind, model, fingerprint, begun_ms, ended_ms, answered, cost, process, key, attempt, outcome)
		SELECT 'tenant'||(i%20), 'job'||(i/1000), 'ingest-'||(i/1000)||'/'||(i%100), iif(i%2, 'describe', 'embed'), 'model'||(i%7),
			hex(randomblob(16)), (unixepoch()-100*86400)*1000+i*8640, (unixepoch()-100*86400)*1000+i*8640+900, 1, 1000+i%50, 'p', hex(randomblob(16)), 1+(i%50=0), iif(i%31, 'answered', 'charged') FROM n`, entries)
	execute(b, shared.place, `INSERT INTO cogflow.call (tenant, job, workflow, kind, model, fingerprint, begun_at, ended_at, cost, process, key, attempt, outcome)
		SELECT 'tenant'||(i%20), 'job'||(i/1000), 'ingest-'||(i/1000)||'/'||(i%100), CASE WHEN i%2=1 THEN 'describe' ELSE 'embed' END, 'model'||(i%7),
			md5(i::text), now()-interval '100 days'+i*interval '8.64 s', now()-interval '100 days'+i*interval '8.64 s', 1000+i%50, 'p', md5('k'||i), CASE WHEN i%50=0 THEN 2 ELSE 1 END,
			CASE WHEN i%31>0 THEN 'answered' ELSE 'charged' END FROM generate_series(0, $1-1) AS i`, entries)
	execute(b, shared.place, "ANALYZE cogflow.call")
	for name, place := range map[string]store{"SQLite": file, "PostgreSQL": shared} {
		r := place.reader(b)
		now, err := r.Now(b.Context())
		require.NoError(b, err)
		for period, q := range map[string]money.CostQuery{
			"all_by_tenant":         {By: []money.Dimension{money.ByTenant}},
			"all_by_day_and_model":  {By: []money.Dimension{money.ByDay, money.ByModel}},
			"all_by_workflow":       {By: []money.Dimension{money.ByWorkflow}, Limit: 50},
			"30_days_by_kind_model": {By: []money.Dimension{money.ByKind, money.ByModel}, Since: now.AddDate(0, 0, -30)},
			"1_day_by_job":          {By: []money.Dimension{money.ByJob}, Since: now.AddDate(0, 0, -1)},
		} {
			b.Run(name+"/"+period, func(b *testing.B) {
				for range b.N {
					got, err := r.Costs(b.Context(), q)
					require.NoError(b, err)
					require.Positive(b, got.Total.Calls)
				}
			})
		}
	}
}
