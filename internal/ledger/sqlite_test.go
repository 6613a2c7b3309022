package ledger

import (
	"crypto/rand"
	"database/sql"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile/dbfiletest"
	"github.com/cogniverse/cogflow/internal/ledger/ledgertest"
	"github.com/cogniverse/cogflow/internal/ledger/schema"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, newFile)
}

func newFile(t testing.TB) ledgertest.Store {
	path := filepath.Join(t.TempDir(), "ledger.db")
	var ahead, stopped atomic.Int64
	now := func() time.Time {
		at := time.Now()
		if stopped.Load() != 0 {
			at = time.Unix(0, stopped.Load())
		}
		return at.Add(time.Duration(ahead.Load()))
	}
	in := func(t testing.TB, do func(tx *sql.Tx) error) {
		t.Helper()
		s, err := openFile(t.Context(), path, "test")
		require.NoError(t, err)
		require.NoError(t, s.db.Update(t.Context(), "test", do))
		require.NoError(t, s.close())
	}
	return ledgertest.Store{
		Open: func(t testing.TB) (ledgertest.Ledger, func()) {
			process := rand.Text()
			file, err := openFile(t.Context(), path, process)
			require.NoError(t, err)
			file.now = now
			l := start(file, process, beatEvery)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			return l, func() { kill(t, l) }
		},
		Stop: func(testing.TB) { stopped.Store(time.Now().UnixNano()) },
		Jump: func(_ testing.TB, by time.Duration) { ahead.Add(int64(by)) },
		Age: func(t testing.TB, d time.Duration) {
			in(t, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(t.Context(), `UPDATE call SET begun_ms=begun_ms-?1, ended_ms=ended_ms-?1;
					UPDATE process SET seen_ms=seen_ms-?1`, d.Milliseconds())
				return err
			})
		},
		Now: func(testing.TB) time.Time { return now() },
		Seen: func(t testing.TB) (ago time.Duration) {
			in(t, func(tx *sql.Tx) error {
				var ms int64
				err := tx.QueryRowContext(t.Context(), "SELECT coalesce(max(seen_ms), 0) FROM process").Scan(&ms)
				ago = now().Sub(time.UnixMilli(ms))
				return err
			})
			return ago
		},
	}
}

func open(t testing.TB, path string) *Ledger {
	t.Helper()
	l, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func openNew(t testing.TB) *Ledger {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "ledger.db"))
}

// kill ends a process as SIGKILL does: it says no more that it lives, and books nothing.
func kill(t testing.TB, l *Ledger) {
	t.Helper()
	l.closed.Do(func() {
		close(l.closing)
		require.NoError(t, l.writer.Wait())
		require.NoError(t, l.db.close())
	})
}

func call(fingerprint string, cost int64) video.Call {
	return video.Call{
		Tenant: "acme", Job: "job", Workflow: "job/video", Kind: "describe", Model: "vlm",
		Fingerprint: video.Fingerprint(fingerprint), CostMicroUSD: cost,
	}
}

func spend(t testing.TB, l *Ledger) video.Spend {
	t.Helper()
	s, err := l.Job(t.Context(), "acme", "job")
	require.NoError(t, err)
	return s
}

// TestMessage: a refusal names the amounts.
func TestMessage(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	r, err := l.TryReserve(t.Context(), call("a", 60), 0)
	require.NoError(t, err)
	_, err = l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: 60})
	require.NoError(t, err)
	_, err = l.TryReserve(t.Context(), call("x", 2_500_000), 3)
	require.EqualError(t, err, `begin call "vlm": it may cost $2.500000, and job "job" has spent $0.000060 of its limit of $0.000003; raise the limit to continue`)
}

// TestSweepOld: the calls of a build without keys are swept too, later.
func TestSweepOld(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	file := l.db.(*sqlite)
	pass := setClock(file)
	_, err := file.db.Write.ExecContext(t.Context(), `INSERT INTO call (tenant, job, workflow, kind, model, fingerprint, begun_ms, cost, process)
		VALUES ('acme', 'job', 'w', 'describe', 'vlm', 'a', ?, 7, 'old')`, file.now().UnixMilli())
	require.NoError(t, err)
	pass(leaseForOld - time.Second)
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Open: 1, Reserved: 7}, spend(t, l))
	pass(2 * time.Second)
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Lost: 1, CostMicroUSD: 7}, spend(t, l))
	require.NoError(t, l.End(t.Context(), 1, true, 5))
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Answered: 1, CostMicroUSD: 5}, spend(t, l))
	require.Equal(t, fault.Input, fault.ClassOf(l.End(t.Context(), 99, true, 1)))
}

// setClock stops the clock of a file; pass moves it on.
func setClock(s *sqlite) (pass func(time.Duration)) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	s.now = func() time.Time { return time.Unix(0, now.Load()) }
	return func(d time.Duration) { now.Add(int64(d)) }
}

// TestRows: an entry of a build without keys is found by its row, by the job that made it
// alone.
func TestRows(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	_, err := l.TryReserve(t.Context(), call("f", 7), 0)
	require.NoError(t, err)
	for job, found := range map[string]bool{"job": true, "other": false} {
		micro, _, is, err := l.Held(t.Context(), "acme", job, "", 1)
		require.NoError(t, err)
		require.Equal(t, found, is)
		if found {
			require.Equal(t, int64(7), micro)
		}
	}
}

// TestAdditive: a build without the additions goes on with the file.
func TestAdditive(t *testing.T) {
	t.Parallel()
	dbfiletest.Additive(t, schema.File(), "call_settled") // see TestOldRows
}
