package broker_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/money"
)

// TestOnce: the failure of a call whose caller has another endpoint is reported at once, and so is
// an endpoint that is down or asks to wait.
func TestOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		for class, wrap := range map[fault.Class]func(error) error{
			fault.Overload: func(err error) error { return err }, fault.Transport: money.ChargeUnknown,
		} {
			c := w.call(string(class), func(context.Context) error {
				return wrap(&fault.Error{Class: class, Reason: "no", RetryAfter: time.Minute})
			})
			c.Once = true
			start := time.Now()
			_, err := w.Do(t.Context(), c)
			require.Equal(t, class, fault.ClassOf(err))
			require.Zero(t, time.Since(start))
		}
		require.Len(t, w.began, 2)
		down := w.call("down", func(context.Context) error {
			return money.NeverSent(&fault.Error{Class: fault.Transport, Err: circuit.ErrOpen})
		})
		down.Once, down.Endpoint = true, "another"
		var err error
		for range 3 { // the second and third are refused by the circuit
			_, err = w.Do(t.Context(), down)
		}
		require.Equal(t, fault.Overload, fault.ClassOf(err))
		require.Positive(t, fault.RetryAfter(err))
		require.True(t, money.Unsent(err))
		well := w.call("well", nil)
		well.Once = true
		_, err = w.Do(t.Context(), well)
		require.NoError(t, err, "the other endpoint is not down")
	})
}

// TestOnceWaitsForItsSlot: a slot that is taken is waited for.
func TestOnceWaitsForItsSlot(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = w.Do(t.Context(), w.call("a", seconds(30))) })
		synctest.Wait()
		c := w.call("b", nil)
		c.Once = true
		start := time.Now()
		_, err := w.Do(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, 31*time.Second, time.Since(start), "30 for the slot, and 1 for its answer")
		wg.Wait()
	})
}
