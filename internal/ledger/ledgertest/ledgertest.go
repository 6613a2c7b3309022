// Package ledgertest holds the tests that every database of the ledger must pass.
package ledgertest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Ledger is a ledger as one process has it open.
type Ledger interface {
	TryReserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error)
	Reserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error)
	Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error)
	Settled() <-chan struct{}
	Sweep(ctx context.Context) error
	Spent(ctx context.Context, t tenant.ID, job, workflow string) (microUSD int64, err error)
	Job(ctx context.Context, t tenant.ID, job string) (video.Spend, error)
	Held(ctx context.Context, t tenant.ID, job, key string, row int64) (microUSD int64, begun time.Time, found bool, err error)
	Latency(ctx context.Context, model string) (time.Duration, error)
	Budgets(ctx context.Context) ([]money.Standing, error)
	SetBudget(ctx context.Context, b money.Budget) error
	ClearBudget(ctx context.Context, b money.Budget) (found bool, err error)
	Close() error
}

// Store is a new, empty ledger.
type Store struct {
	// Open opens it as another process does. kill ends that process as SIGKILL does; without
	// it, the process ends with the test.
	Open func(t testing.TB) (l Ledger, kill func())
	// Age makes all that is recorded older, as if time had passed.
	Age func(t testing.TB, d time.Duration)
	// Now is the time of the database.
	Now func(t testing.TB) time.Time
	// Seen is how long ago the last process was seen.
	Seen func(t testing.TB) time.Duration
	// Stop stops the clock of the database before the first Open, so that a lease lasts however
	// long the test takes. Age works as before.
	Stop func(t testing.TB)
	// Jump moves the clock of the database; nil = it cannot be moved.
	Jump func(t testing.TB, by time.Duration)
}

// stopped are the tests that assert what holds during a lease.
func stopped(test func(*testing.T, Store)) func(*testing.T, Store) {
	return func(t *testing.T, s Store) {
		s.Stop(t)
		test(t, s)
	}
}

func (s Store) open(t testing.TB) Ledger {
	t.Helper()
	l, _ := s.Open(t)
	return l
}

// Run runs all tests, each with a store of its own.
func Run(t *testing.T, newStore func(t testing.TB) Store) {
	for name, test := range map[string]func(*testing.T, Store){
		"Spend":               testSpend,
		"Repeated":            testRepeated,
		"Budget":              testBudget,
		"BudgetConcurrently":  stopped(testBudgetConcurrently),
		"ReserveWaits":        stopped(testReserveWaits),
		"Sweep":               stopped(testSweep),
		"SweepTwice":          stopped(testSweepTwice),
		"Close":               testClose,
		"Closed":              testClosed,
		"GiveUp":              testGiveUp,
		"GiveUpLost":          testGiveUpLost,
		"Absurd":              testAbsurd,
		"Latency":             testLatency,
		"Settle":              testSettle,
		"SettleConcurrently":  stopped(testSettleConcurrently),
		"TakeOver":            stopped(testTakeOver),
		"BadCalls":            testBadCalls,
		"SeenByOthers":        stopped(testSeenByOthers),
		"Rival":               stopped(testRival),
		"RivalsConcurrently":  stopped(testRivalsConcurrently),
		"OneProcessMayRepeat": testOneProcessMayRepeat,
		"Beat":                testBeat,
		"Held":                testHeld,
		"Walk":                testWalk,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newStore(t))
		})
	}
}

func call(job, fingerprint string, cost int64) video.Call {
	return video.Call{
		Tenant: "acme", Job: job, Workflow: job + "/video", Kind: "describe", Model: "vlm",
		Fingerprint: video.Fingerprint(fingerprint), CostMicroUSD: cost,
	}
}

// begin reserves without waiting and returns the key.
func begin(t testing.TB, l Ledger, c video.Call, limit int64) string {
	t.Helper()
	r, err := l.TryReserve(t.Context(), c, limit)
	require.NoError(t, err)
	require.NotEmpty(t, r.Key)
	return r.Key
}

func settle(t testing.TB, l Ledger, key string, o money.Outcome, cost int64) money.Booking {
	t.Helper()
	b, err := l.Settle(t.Context(), key, money.Booking{Outcome: o, MicroUSD: cost})
	require.NoError(t, err)
	return b
}

func spend(t testing.TB, l Ledger) video.Spend {
	t.Helper()
	s, err := l.Job(t.Context(), "acme", "job")
	require.NoError(t, err)
	return s
}

func spent(t testing.TB, l Ledger, job, workflow string) int64 {
	t.Helper()
	s, err := l.Spent(t.Context(), "acme", job, workflow)
	require.NoError(t, err)
	return s
}
