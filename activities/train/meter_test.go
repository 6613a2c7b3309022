package train

import (
	"context"
	"math"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// oneUSD is what a second of the device costs in these tests, in micro-USD.
const oneUSD = 1_000_000

// ledgerOf is a ledger that fails on request, and a workflow that records signals.
type ledgerOf struct {
	*ledger.Ledger
	activitytest.Runs
	place           string
	reserve, settle func() error // nil = it works; set between two attempts only

	mu          sync.Mutex
	signalLog   []Signal
	failSignals int // number of signals that fail before one is delivered
}

func (l *ledgerOf) Reserve(ctx context.Context, c video.Call, limit int64) (money.Reservation, error) {
	if l.reserve != nil {
		if err := l.reserve(); err != nil {
			return money.Reservation{}, err
		}
	}
	return l.Ledger.Reserve(ctx, c, limit)
}

func (l *ledgerOf) Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error) {
	if l.settle != nil {
		if err := l.settle(); err != nil {
			return money.Booking{}, err
		}
	}
	return l.Ledger.Settle(ctx, key, said)
}

func (l *ledgerOf) Signal(_ context.Context, _, _, _ string, what any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failSignals > 0 {
		l.failSignals--
		return fault.New(fault.Transport, "signal", "", "the server is unavailable")
	}
	l.signalLog = append(l.signalLog, what.(Signal))
	return nil
}

// last is the tally of the last signal.
func (l *ledgerOf) last(t *testing.T) Tally {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.NotEmpty(t, l.signalLog)
	return *l.signalLog[len(l.signalLog)-1].Tally
}

// metered runs a test on a clock of its own, with a trainer that takes some time for each
// step on a device that costs one USD a second.
func metered(t *testing.T, step time.Duration, test func(t *testing.T, j *trained, l *ledgerOf)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		place := filepath.Join(t.TempDir(), "ledger.db")
		calls, err := ledger.Open(place)
		require.NoError(t, err)
		defer func() { require.NoError(t, calls.Close()) }()
		j, l := newTrained(t), &ledgerOf{Ledger: calls, place: place}
		j.a.Ledger, j.a.Runs, j.a.Prices, j.in.Ledger = l, l, map[string]float64{"cpu": 3600}, "run"
		j.trainer.before = func(int, <-chan struct{}) error { <-time.After(step); return nil }
		test(t, j, l)
	})
}

// spent is what the run has settled, of which nothing may be open.
func (j *trained) spent(l *ledgerOf) int64 {
	j.t.Helper()
	spend, err := l.Job(j.t.Context(), "default", "run")
	require.NoError(j.t, err)
	require.Zero(j.t, spend.Reserved, "an entry is open")
	return spend.CostMicroUSD
}

// TestLimitWhileTraining: a trainer is stopped at a checkpoint when the next slice of its
// time is beyond the limit. The time that the checkpoint took is booked too, and a higher
// limit goes on from there.
func TestLimitWhileTraining(t *testing.T) {
	t.Parallel()
	metered(t, 12*time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
		j.in.LimitMicroUSD = 25 * oneUSD // two slices of 10 seconds, and no third
		out, err := j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedBudget, out.Ended)
		require.Equal(t, 1, out.Report.Checkpoint, "the second step ended after the stop")
		require.InDelta(t, 24, out.Tally.Seconds, 1e-6)
		require.EqualValues(t, 24*oneUSD, j.spent(l))
		require.EqualValues(t, 24*oneUSD, out.Tally.CostMicroUSD)
		require.Empty(t, out.Tally.SliceKey+out.Tally.NextKey)

		out, err = j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedBudget, out.Ended)
		require.Equal(t, []int{0}, j.trainer.began, "nothing is left for a process")
		j.in.LimitMicroUSD = 24*oneUSD + 8*12*oneUSD + 10*oneUSD
		out, err = j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedDone, out.Ended)
		require.Equal(t, []int{0, 1}, j.trainer.began)
		require.EqualValues(t, 24*oneUSD+8*12*oneUSD, j.spent(l))
	})
}

// TestLedgerFailsWhileTraining: no training takes place in time that cannot be booked. The trainer
// is stopped at a checkpoint, and the next attempt books what is still open.
func TestLedgerFailsWhileTraining(t *testing.T) {
	t.Parallel()
	away := fault.New(fault.Transport, "begin call", "", "the disk of the ledger is away")
	for name, c := range map[string]struct {
		breaks func(l *ledgerOf)
		open   bool // a slice was left
	}{
		"reserve": {func(l *ledgerOf) {
			first := true
			l.reserve = func() error {
				if first {
					first = false
					return nil
				}
				return away
			}
		}, false},
		"settle": {func(l *ledgerOf) { l.settle = func() error { return away } }, true},
		"panic":  {func(l *ledgerOf) { l.settle = func() error { panic("a bug of the ledger") } }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metered(t, 6*time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
				c.breaks(l)
				_, err := j.run()
				require.Equal(t, fault.Preempted, activitytest.ClassOf(err), "it is tried again, up to a bound: %v", err)
				require.Equal(t, 1, j.steps()[0], "it was stopped after 10 seconds, in its second step")
				tally := l.last(t)
				require.Equal(t, c.open, tally.SliceKey != "", "%+v", tally)
				l.reserve, l.settle, j.in.Before = nil, nil, tally
				out, err := j.run()
				require.NoError(t, err)
				require.Equal(t, training.EndedDone, out.Ended)
				require.Equal(t, []int{0, 1}, j.trainer.began)
				require.Empty(t, out.Ignored)
				require.GreaterOrEqual(t, j.spent(l), int64(8*6*oneUSD))
				require.LessOrEqual(t, j.spent(l), int64(10*6*oneUSD), "no second is booked twice")
				require.Equal(t, j.spent(l), out.Tally.CostMicroUSD)
			})
		})
	}
}

// TestGPUTimeIsBooked: the ledger has the time of each trainer process, also of one that was
// killed, and on a GPU without a price.
func TestGPUTimeIsBooked(t *testing.T) {
	t.Parallel()
	for class, prices := range map[string]map[string]float64{"cpu": {"cpu": 3600}, "l4": {"l4": 0}, "h200": {}} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			metered(t, 6*time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
				j.in.Class, j.a.Prices = class, prices
				l.settle = func() error { return fault.New(fault.Transport, "end call", "", "the disk of the ledger is away") }
				_, err := j.run()
				require.Error(t, err)
				l.settle, j.in.Before = nil, l.last(t)
				out, err := j.run()
				require.NoError(t, err)
				r, err := costs.Open(t.Context(), l.place)
				require.NoError(t, err)
				got, err := r.Costs(t.Context(), money.CostQuery{By: []money.Dimension{money.ByGPU}})
				require.NoError(t, err)
				require.NoError(t, r.Close())
				require.Equal(t, []string{class}, got.Groups[0].Values)
				require.InDelta(t, out.Tally.Seconds*1000, got.Total.GPUMS, 1)
				require.Equal(t, out.Tally.CostMicroUSD, got.Total.SettledMicroUSD)
			})
		})
	}
}

// TestReservationWaits: a slice that waits for room beside others neither stops the trainer
// nor keeps a process that has ended.
func TestReservationWaits(t *testing.T) {
	t.Parallel()
	metered(t, 2*time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
		_, err := l.Ledger.Reserve(t.Context(), video.Call{
			Tenant: "default", Job: "run", Workflow: "beside", Kind: meterKind, Model: "m", CostMicroUSD: 15 * oneUSD, Fingerprint: "beside", Attempt: 1,
		}, 0)
		require.NoError(t, err)
		j.in.LimitMicroUSD = 30 * oneUSD
		out, err := j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedDone, out.Ended)
		require.EqualValues(t, 18*oneUSD, out.Tally.CostMicroUSD)
	})
}

// TestForgedTally: a tally can be forged. It books no entry of another run, and no entry of this
// run at more than the cost of its time.
func TestForgedTally(t *testing.T) {
	t.Parallel()
	metered(t, 0, func(t *testing.T, j *trained, l *ledgerOf) {
		left := func(job string) string {
			made, err := l.Ledger.Reserve(t.Context(), video.Call{
				Tenant: "default", Job: job, Workflow: "w", Kind: meterKind, Model: "m", CostMicroUSD: 10 * oneUSD, Fingerprint: video.Fingerprint(job), Attempt: 1,
			}, 0)
			require.NoError(t, err)
			return made.Key
		}
		theirs := left("theirs")
		j.in.Before = Tally{SliceKey: theirs, SliceUsed: 1}
		out, err := j.run()
		require.NoError(t, err)
		require.Contains(t, out.Ignored, "not one of this run")
		micro, _, held, err := l.Held(t.Context(), "default", "theirs", theirs, 0)
		require.NoError(t, err)
		require.True(t, held)
		require.EqualValues(t, 10*oneUSD, micro, "the entry of the other run is unchanged")
		require.Zero(t, j.spent(l))

		j.in.Job, j.in.Before = "second", Tally{SliceKey: left("run"), SliceUsed: math.MaxInt64, NextKey: theirs}
		out, err = j.run()
		require.NoError(t, err)
		require.Empty(t, out.Ignored)
		require.LessOrEqual(t, j.spent(l), int64(20*oneUSD+2), "two slices at most")
		spent, err := l.Spent(t.Context(), tenant.ID("default"), "theirs", "")
		require.NoError(t, err)
		require.Zero(t, spent)
	})
}

// TestTallySignal: the workflow is signalled when the tally changes. A failed signal is sent
// again.
func TestTallySignal(t *testing.T) {
	t.Parallel()
	metered(t, 7*time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
		l.failSignals = 2
		out, err := j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedDone, out.Ended)
		l.mu.Lock()
		defer l.mu.Unlock()
		require.Zero(t, l.failSignals)
		require.GreaterOrEqual(t, len(l.signalLog), 8, "each step takes longer than the interval between signals")
		for i, s := range l.signalLog {
			require.LessOrEqual(t, s.Tally.Seconds, out.Tally.Seconds)
			if i > 0 {
				require.NotEqual(t, l.signalLog[i-1].Report, s.Report, "no report is sent twice")
			}
		}
	})
}

// TestPublishedCostIsFinal: an entry that no tally names, as of a process that was killed, is part of the cost that a
// publication reports, although it is settled a little later.
func TestPublishedCostIsFinal(t *testing.T) {
	t.Parallel()
	metered(t, time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
		out, err := j.run()
		require.NoError(t, err)
		left, err := l.Reserve(t.Context(), video.Call{
			Tenant: "default", Job: "run", Workflow: "w", Kind: meterKind, Model: "m", CostMicroUSD: 10 * oneUSD, Fingerprint: "left", Attempt: 1,
		}, 0)
		require.NoError(t, err)
		time.AfterFunc(2*time.Second, func() {
			_, err := l.Settle(context.Background(), left.Key, money.Booking{Outcome: money.Answered, MicroUSD: 3 * oneUSD})
			assert.NoError(t, err)
		})
		published, err := j.publish(func(in *PublishInput) { in.Ledger, in.Tally = "run", out.Tally })
		require.NoError(t, err)
		require.Equal(t, out.Tally.CostMicroUSD+3*oneUSD, *published.CostMicroUSD)
		require.Equal(t, j.spent(l), *published.CostMicroUSD)
	})
}
