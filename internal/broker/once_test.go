package broker_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
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
		require.NoError(t, w.Close())
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
		require.NoError(t, w.Close())
	})
}

// TestOnceDoesNotWaitForTheLedger: an answer is passed on while the ledger cannot be written. Its
// reservation counts until it is settled, which the end of the process waits for.
func TestOnceDoesNotWaitForTheLedger(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		l := &lockedLedger{world: w}
		w.Brokers = broker.New(broker.Options{Ledger: l})
		once := func(name string) (video.Paid, error) {
			c := w.call(name, nil)
			c.Once, c.LimitMicroUSD = true, 17
			return w.Do(t.Context(), c)
		}
		l.lock(true)
		start := time.Now()
		paid, err := once("a")
		require.NoError(t, err)
		require.Equal(t, video.Paid{Called: true, CostMicroUSD: 7}, paid)
		require.Equal(t, time.Second, time.Since(start))
		next := make(chan error, 1)
		go func() { _, err := once("b"); next <- err }()
		<-time.After(time.Minute)
		require.Len(t, w.began, 1, "the reservation of the first leaves no room")
		l.lock(false)
		require.NoError(t, <-next)
		require.NoError(t, w.Close())
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: 2}, by)
		require.EqualValues(t, 14, cost)
	})
}

// TestOnceUnknownEntry: an answer whose entry the ledger does not have is reported in the log.
func TestOnceUnknownEntry(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		var log strings.Builder
		w.Brokers = broker.New(broker.Options{Ledger: forgetful{w}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		c := w.call("a", nil)
		c.Once = true
		_, err := w.Do(t.Context(), c)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.Contains(t, log.String(), "a call could not be booked")
	})
}

// forgetful is a ledger that has no entry.
type forgetful struct{ *world }

func (forgetful) Settle(context.Context, string, money.Booking) (money.Booking, error) {
	return money.Booking{}, fault.New(fault.Input, "end call", "", "the ledger has no such entry")
}

// TestOnceUnreserved: a call that the ledger cannot write is told apart from one that its endpoint did
// not answer, also if its caller does not wait so long. Nothing is asked.
func TestOnceUnreserved(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		l := &unwritable{world: w}
		w.Brokers = broker.New(broker.Options{Ledger: l})
		once := func(ctx context.Context) error {
			c := w.call("a", nil)
			c.Once, c.Grace = true, func(error) (time.Duration, bool) { return 0, true }
			_, err := w.Do(ctx, c)
			return err
		}
		for _, class := range []fault.Class{fault.Overload, fault.Transport, fault.Capacity, ""} {
			l.err = &fault.Error{Class: class, Reason: "locked", RetryAfter: time.Second}
			err := once(t.Context())
			require.ErrorIs(t, err, money.ErrUnreserved)
			require.Equal(t, class, fault.ClassOf(err))
			require.Equal(t, time.Second, fault.RetryAfter(err))
		}
		l.err = &fault.Error{Class: fault.Budget}
		require.NotErrorIs(t, once(t.Context()), money.ErrUnreserved)

		l.after = time.Minute
		soon, cancel := context.WithTimeoutCause(t.Context(), time.Second, errGone)
		defer cancel()
		err := once(soon)
		require.ErrorIs(t, err, money.ErrUnreserved)
		require.ErrorIs(t, err, errGone)
		require.Empty(t, w.began)
		require.NoError(t, w.Close())
	})
}

// unwritable is a ledger that takes no reservation.
type unwritable struct {
	*world
	err   error
	after time.Duration
}

func (l *unwritable) TryReserve(context.Context, video.Call, int64) (money.Reservation, error) {
	<-time.After(l.after)
	return money.Reservation{}, l.err
}
