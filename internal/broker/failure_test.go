package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
)

// TestJoinedFailure: who joins a call does not inherit what was wrong with the
// objects of who began it, in the same job or another, and whatever is wrong.
func TestJoinedFailure(t *testing.T) {
	t.Parallel()
	for _, job := range []string{"job", "another"} {
		for _, class := range []fault.Class{fault.Input, fault.Capacity, ""} {
			t.Run(job+" "+string(class), func(t *testing.T) {
				within(t, func(t *testing.T) {
					w := newWorld(4)
					bad := w.call("a", nil)
					bad.Prepare = func(context.Context) (video.Ask, error) {
						<-time.After(time.Second)
						return nil, fault.New(class, "read object", "frames/1.jpg", "not found")
					}
					first := make(chan error, 1)
					go func() { _, err := w.Do(t.Context(), bad); first <- err }()
					synctest.Wait()
					good := w.call("a", nil)
					good.Job = job
					paid, err := w.Do(t.Context(), good)
					require.NoError(t, err)
					require.True(t, paid.Called)
					require.Equal(t, class, fault.ClassOf(<-first))
				})
			})
		}
	}
}

// TestJoinedRefusal: what the endpoint says of a request holds for all who want it.
func TestJoinedRefusal(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := w.Do(t.Context(), w.call("a", func(context.Context) error {
					<-time.After(time.Second)
					return fault.New(fault.Input, "describe", "", "refused")
				}))
				if fault.ClassOf(err) != fault.Input {
					t.Errorf("want a refusal: %v", err)
				}
			})
		}
		wg.Wait()
		require.Len(t, w.began, 1)
	})
}

// TestPanic: an answer that an adapter panics at is charged and given up, and ends
// nothing else.
func TestPanic(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		w.Brokers = broker.New(broker.Options{Ledger: w, Log: slog.New(slog.DiscardHandler)})
		_, err := w.Do(t.Context(), w.call("a", func(context.Context) error { panic("an answer that nobody thought of") }))
		require.ErrorIs(t, err, money.ErrGivenUp)
		require.ErrorContains(t, err, "an answer that nobody thought of")
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.BilledFailure: money.MaxCharged}, by)
		require.EqualValues(t, 10*money.MaxCharged, cost)

		_, err = w.Do(t.Context(), w.call("of a further request", func(ctx context.Context) error {
			return money.Pay(ctx, "canary", func(context.Context) error { panic("again") })
		}))
		require.ErrorIs(t, err, money.ErrGivenUp)

		_, err = w.Do(t.Context(), w.call("of a goroutine of the adapter", func(context.Context) error {
			return panics.Try(func() error { panic("beside") })
		}))
		require.ErrorIs(t, err, money.ErrGivenUp, "it is taken to be billed too")

		c := w.call("before the request", nil)
		c.Prepare = func(context.Context) (video.Ask, error) { panic("no picture") }
		_, err = w.Do(t.Context(), c)
		require.ErrorContains(t, err, "no picture")
		require.Empty(t, fault.ClassOf(err))

		c = w.call("stored", nil)
		c.Prepare = func(context.Context) (video.Ask, error) {
			return func(context.Context) (video.PaidAnswer, error) {
				return video.PaidAnswer{Store: func(context.Context) error { panic("no vector") }}, nil
			}, nil
		}
		_, err = w.Do(t.Context(), c)
		require.ErrorContains(t, err, "no vector")
		by, _ = w.booked()
		require.Zero(t, by[""], "no entry is open")
		_, err = w.Do(t.Context(), w.call("well", nil))
		require.NoError(t, err, "the slot is free")
	})
}

// TestUnsettled: a call that is cut while the ledger cannot be written is settled
// when it can be: its process lives, so no other process would.
func TestUnsettled(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		l := &lockedLedger{world: w}
		w.Brokers = broker.New(broker.Options{Ledger: l})
		ctx, cancel := context.WithCancelCause(t.Context())
		c := w.call("a", seconds(60))
		c.Grace = func(error) (time.Duration, bool) { return 0, true }
		done := make(chan error, 1)
		go func() { _, err := w.Do(ctx, c); done <- err }()
		synctest.Wait()
		l.lock(true)
		cancel(errGone)
		require.ErrorIs(t, <-done, errGone)
		<-time.After(10 * time.Minute)
		by, _ := w.booked()
		require.Equal(t, map[money.Outcome]int{"": 1}, by)
		l.lock(false)
		<-time.After(time.Minute)
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Lost: 1}, by)
		require.EqualValues(t, 10, cost)
		require.NoError(t, w.Close())
	})
}

// TestCloseUnsettled: a ledger that takes nothing holds up the end of a process for
// a moment only; one that does is told.
func TestCloseUnsettled(t *testing.T) {
	t.Parallel()
	for locked, want := range map[bool]money.Outcome{true: "", false: money.Answered} {
		t.Run(fmt.Sprint(locked), func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(4)
				l := &lockedLedger{world: w}
				w.Brokers = broker.New(broker.Options{Ledger: l, StoreFor: time.Minute})
				done := make(chan error, 1)
				go func() { _, err := w.Do(t.Context(), w.call("a", nil)); done <- err }()
				synctest.Wait()
				l.lock(true)
				require.Equal(t, fault.Capacity, fault.ClassOf(<-done))
				l.lock(locked)
				start := time.Now()
				require.NoError(t, w.Close())
				require.LessOrEqual(t, time.Since(start), 5*time.Second)
				by, _ := w.booked()
				require.Equal(t, map[money.Outcome]int{want: 1}, by)
			})
		})
	}
}

// lockedLedger settles nothing while it is locked.
type lockedLedger struct {
	*world
	mu     sync.Mutex
	locked bool
}

func (l *lockedLedger) lock(locked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.locked = locked
}

func (l *lockedLedger) Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locked {
		return money.Booking{}, fault.New(fault.Capacity, "write to ledger", "", "database is locked")
	}
	return l.world.Settle(ctx, key, said)
}

// TestMaintenance: an endpoint that for minutes brings nothing but what is billed
// loses no call, and is asked seldom.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cause error
		calls int
		most  int
	}{
		"a page, one call":    {circuit.ErrAway, 1, 4},
		"a page, many calls":  {circuit.ErrAway, 40, 8 + 14},
		"odd JSON, one call":  {errors.New("no choice"), 1, 4},
		"odd JSON, many once": {errors.New("no choice"), 8, 8 * 4},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(8)
				start := time.Now()
				var wg sync.WaitGroup
				for i := range c.calls {
					call := w.call(fmt.Sprint(i), func(context.Context) error {
						if time.Since(start) > 5*time.Minute {
							return nil
						}
						return money.ChargeUnknown(&fault.Error{Class: fault.Transport, Op: "ask", Err: c.cause})
					})
					wg.Go(func() {
						if _, err := w.Do(t.Context(), call); err != nil {
							t.Errorf("call %d: %v", i, err)
						}
					})
				}
				wg.Wait()
				by, _ := w.booked()
				require.Equal(t, c.calls, by[money.Answered])
				require.LessOrEqual(t, by[money.BilledFailure], c.most)
			})
		})
	}
}
