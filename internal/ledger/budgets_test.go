package ledger

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/ledger/ledgertest"
	"github.com/cogniverse/cogflow/internal/ledger/schema"
	"github.com/cogniverse/cogflow/internal/postgres"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
	"github.com/cogniverse/cogflow/money"
)

// TestMain sets how long the machine of budgets runs: a few seconds, or 10,000 steps with
// COGFLOW_SOAK=1. Flags on the command line replace that.
func TestMain(m *testing.M) {
	checks, steps := "2", "40"
	if os.Getenv("COGFLOW_SOAK") != "" {
		checks, steps = "100", "100"
	}
	for name, value := range map[string]string{"rapid.checks": checks, "rapid.steps": steps, "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(postgrestest.Main(m))
}

func TestBudgetsSQLite(t *testing.T) {
	t.Parallel()
	ledgertest.RunBudgets(t, newFile)
}

func TestBudgetsPostgres(t *testing.T) {
	t.Parallel()
	ledgertest.RunBudgets(t, movedStore)
}

func TestBudgetMachineSQLite(t *testing.T) {
	t.Parallel()
	ledgertest.RunMachine(t, newFile)
}

func TestBudgetMachinePostgres(t *testing.T) {
	t.Parallel()
	ledgertest.RunMachine(t, movedStore)
}

// TestOldRows: the rows of earlier builds are in the sums: those from before the first start of
// this build, and those that they write beside it. No time that they can write is refused.
func TestOldRows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	former := schema.File()
	former.Additions = former.Additions[:1]
	old, err := dbfile.Open(t.Context(), path, former)
	require.NoError(t, err)
	defer func() { require.NoError(t, old.Close()) }()
	now := time.Now().UnixMilli()
	begin := func(owner string, begun, cost int64) (id int64) {
		t.Helper()
		done, err := old.Write.ExecContext(t.Context(), `INSERT INTO call (tenant, job, workflow, kind, model, fingerprint, begun_ms, cost, process)
			VALUES (?, 'job', 'w', 'describe', 'vlm', 'a', ?, ?, 'old')`, owner, begun, cost)
		require.NoError(t, err)
		id, err = done.LastInsertId()
		require.NoError(t, err)
		return id
	}
	end := func(id, cost int64) {
		t.Helper()
		_, err := old.Write.ExecContext(t.Context(), "UPDATE call SET ended_ms=?2, answered=1, outcome='answered', cost=?3 WHERE id=?1", id, now, cost)
		require.NoError(t, err)
	}
	end(begin("uni:a", now, 9), 5)
	end(begin("uni:b", now, 9), 4)
	end(begin("uni:b", now-1000*24*3600*1000, 9), 3)
	open1 := begin("uni", now, 2)

	l := open(t, path)
	day, total := ledgertest.Hard(money.Scope{Org: "uni"}, money.Day, 1000), ledgertest.Hard(money.Scope{Model: "vlm"}, money.Total, 1000)
	check := func(ofDay, reserved, ofTotal int64) {
		t.Helper()
		for b, want := range map[money.Budget][]int64{day: {ofDay, reserved}, total: {ofTotal, reserved}} {
			require.NoError(t, l.SetBudget(t.Context(), b))
			all, err := l.Budgets(t.Context())
			require.NoError(t, err)
			i := slices.IndexFunc(all, func(s money.Standing) bool { return s.Budget == b })
			require.Equal(t, want, []int64{all[i].Settled, all[i].Reserved}, "%s", b.Scope)
		}
	}
	check(9, 2, 12)
	end(open1, 1)
	second := begin("uni:a", now, 7)
	check(10, 7, 13)
	end(second, 7)
	end(second, 6) // a correction
	check(16, 0, 19)
	for _, begun := range []int64{math.MinInt64, math.MaxInt64, -1, 1 << 60} {
		end(begin("uni", begun, 1), 1)
	}
	check(16, 0, 23)
	end(begin("uni", now, math.MaxInt64), math.MaxInt64)
	check(1<<62, 0, 1<<62)
}

// TestOldRowsPostgres: likewise in PostgreSQL, where an earlier build also uses the tables after
// the migration.
func TestOldRowsPostgres(t *testing.T) {
	t.Parallel()
	url := postgrestest.Shared(t).Database(t)
	former := schema.Shared()
	former.Migrations = former.Migrations[:1]
	db, err := postgres.Open(t.Context(), url, former)
	require.NoError(t, err)
	defer db.Close()
	c, err := db.Connect(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close(t.Context())) }()
	do := func(query string, args ...any) {
		t.Helper()
		_, err := c.Exec(t.Context(), query, args...)
		require.NoError(t, err)
	}
	const insert = `INSERT INTO cogflow.call (key, tenant, job, workflow, kind, model, fingerprint, attempt, cost, process)
		VALUES ($1, 'uni:a', 'job', 'w', 'describe', 'vlm', 'a', 1, 9, 'old')`
	const end = "UPDATE cogflow.call SET ended_at=clock_timestamp(), outcome='answered', cost=$2 WHERE key=$1"
	do(insert, "a")
	do(end, "a", 5)
	do(insert, "b")
	l := open(t, url)
	b := ledgertest.Hard(money.Scope{Org: "uni"}, money.Day, 1000)
	require.NoError(t, l.SetBudget(t.Context(), b))
	check := func(want ...int64) {
		t.Helper()
		all, err := l.Budgets(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, []int64{all[0].Settled, all[0].Reserved})
	}
	check(5, 9)
	do(end, "b", 4)
	do(insert, "c")
	check(9, 9)
	do(end, "c", 3)
	do("UPDATE cogflow.call SET cost=cost+1, ended_at=clock_timestamp()")
	check(15, 0)
	_, err = postgres.Open(t.Context(), url, former)
	require.NoError(t, err, "a rollback is possible")
}
