package broker_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
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
		require.Equal(t, map[money.Outcome]int{money.BilledFailure: 1, money.Refused: 1}, by)
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
