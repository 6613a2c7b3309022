package broker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// TestFurtherRequests: a request that an adapter makes beside the one of its call is
// an entry of its own, and is sent with that entry's key.
func TestFurtherRequests(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		entries := map[string]bool{}
		note := func(ctx context.Context) { entries[money.EntryOf(ctx)] = true }
		canary := func(err error) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				note(ctx)
				return money.Booked(money.Pay(ctx, "canary", func(ctx context.Context) error { note(ctx); return err }))
			}
		}
		_, err := w.Do(t.Context(), w.call("a", canary(nil)))
		require.NoError(t, err)
		require.Len(t, entries, 2)
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: 2}, by)
		require.EqualValues(t, 7+10, cost)

		// One that is billed without a use is charged, and the call itself, which was
		// not made, is not.
		w = newWorld(1)
		_, err = w.Do(t.Context(), w.call("a", canary(money.ChargeUnknown(fault.New(fault.Input, "canary", "", "it is blind")))))
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
		by, cost = w.booked()
		require.Equal(t, map[money.Outcome]int{money.BilledFailure: 1}, by)
		require.EqualValues(t, 10, cost)

		// A limit that leaves room for the call alone is said to be too low.
		w = newWorld(1)
		c := w.call("a", canary(nil))
		c.LimitMicroUSD = 15
		_, err = w.Do(t.Context(), c)
		require.Equal(t, fault.Budget, fault.ClassOf(err), "%v", err)
		_, cost = w.booked()
		require.Zero(t, cost)
	})
}

// TestFurtherRequestsBounded: a model that cannot be proved is paid for as often as a
// call without a usable answer, however many frames wait for it and however often
// their activity is tried again; the frames themselves are no calls.
func TestFurtherRequestsBounded(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"no answer": money.ChargeUnknown(fault.New(fault.Transport, "canary", "", "no vectors")),
		"page":      money.ChargeUnknown(&fault.Error{Class: fault.Transport, Err: circuit.ErrAway}),
		"blind":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(8)
				start := time.Now()
				var mu sync.Mutex
				for range 3 { // attempts of the activity
					var wg sync.WaitGroup
					for i := range 20 {
						wg.Go(func() {
							_, err := w.Do(t.Context(), w.call(fmt.Sprint(i), func(ctx context.Context) error {
								mu.Lock() // once at a time, as the adapter does
								defer mu.Unlock()
								err := money.Pay(ctx, "canary", func(context.Context) error { return failure })
								if err == nil {
									err = fault.New(fault.Input, "canary", "", "its vectors mean nothing")
								}
								return money.Booked(err)
							}))
							if fault.ClassOf(err) != fault.Input {
								t.Errorf("call %d: %v", i, err)
							}
						})
					}
					wg.Wait()
				}
				by, _ := w.booked()
				require.Len(t, by, 1)
				require.Equal(t, money.MaxCharged, by[money.BilledFailure]+by[money.Answered])
				if failure != nil {
					require.Greater(t, time.Since(start), 5*time.Minute, "an outage of minutes is waited out")
				}
				_, err := w.Do(t.Context(), w.call("without", nil))
				require.NoError(t, err)
			})
		})
	}
}

// TestPayer: what a check pays is booked, one entry for each request.
func TestPayer(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		pay := w.Payer(w.call("", nil).Call)
		entries := map[string]bool{}
		for _, fails := range []error{nil, money.ChargeUnknown(fault.New(fault.Input, "canary", "", "it is blind")), money.NeverSent(fault.New(fault.Transport, "ask", "", "refused"))} {
			err := pay(t.Context(), "canary", func(ctx context.Context) error { entries[money.EntryOf(ctx)] = true; return fails })
			require.ErrorIs(t, err, fails)
		}
		require.Len(t, entries, 3)
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: 1, money.BilledFailure: 1}, by)
		require.EqualValues(t, 20, cost)
	})
}

// TestProve: a check is booked at what its answer costs, and never above its reservation.
func TestProve(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		for _, cost := range []int64{3, 1 << 40} {
			require.NoError(t, w.Prove(t.Context(), w.call("", nil).Call, "question", func(context.Context) (int64, error) { return cost, nil }))
		}
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: 2}, by)
		require.EqualValues(t, 3+10, cost)
	})
}

// TestChecksBounded: however often a check is asked for, a model that does not prove itself
// is paid a bounded number of times, for each thing that is checked and each request. Then
// the last failure is the answer. Refused requests cost nothing and do not count.
func TestChecksBounded(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		check := func(stage video.Fingerprint, what string, fails error) error {
			c := w.call("", nil).Call
			c.Fingerprint = stage
			return w.Payer(c)(t.Context(), what, func(context.Context) error { return fails })
		}
		wrong := money.ChargeUnknown(fault.New(fault.Transport, "embed", "", "4 dimensions"))
		for range 50 {
			require.ErrorContains(t, check("a", "text", money.NeverSent(fault.New(fault.Transport, "ask", "", "refused"))), "refused")
		}
		for range 50 {
			err := check("a", "text", wrong)
			require.ErrorContains(t, err, "4 dimensions")
			require.Equal(t, fault.Transport, fault.ClassOf(err))
		}
		for i := range 50 { // answered, but what the answers show together is wrong
			require.Equal(t, i >= money.MaxCharged, errors.Is(check("a", "picture", nil), money.ErrGivenUp), i)
		}
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: money.MaxCharged, money.BilledFailure: money.MaxCharged}, by)
		require.EqualValues(t, 20*money.MaxCharged, cost)
		require.NoError(t, check("b", "text", nil), "another stage of the model")
	})
}

// TestNothingWasSent: a call that never reached its endpoint does not count as one,
// also when it is cut.
func TestNothingWasSent(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		_, err := w.Do(t.Context(), w.call("a", func(context.Context) error {
			return money.NeverSent(fault.New(fault.Transport, "ask", "m", "connection refused"))
		}))
		require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
		by, cost := w.booked()
		require.Empty(t, by)
		require.Zero(t, cost)

		ctx, cancel := context.WithCancel(t.Context())
		c := w.call("b", func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return money.NeverSent(ctx.Err())
		})
		c.Grace = func(error) (time.Duration, bool) { return time.Second, true }
		_, err = w.Do(ctx, c)
		require.ErrorIs(t, err, context.Canceled)
		by, _ = w.booked()
		require.Empty(t, by)
	})
}
