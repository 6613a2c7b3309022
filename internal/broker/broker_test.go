package broker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// world is a ledger in memory, a store and an endpoint whose answers the test sets.
type world struct {
	*broker.Brokers
	mu           sync.Mutex
	settled      chan struct{}
	entries      []*entry
	stored       map[video.Fingerprint]bool
	elsewhere    map[video.Fingerprint]bool // in flight in another process
	limit        int                        // calls at once
	inCall, most int
	failStore    int      // so many times
	began        []string // fingerprints, in the order of their requests
}

type entry struct {
	video.Call
	key    string
	booked money.Booking
}

func newWorld(limit int) *world {
	w := &world{settled: make(chan struct{}), stored: map[video.Fingerprint]bool{}, elsewhere: map[video.Fingerprint]bool{}, limit: limit}
	w.Brokers = broker.New(broker.Options{Ledger: w, Endpoint: func(video.PaidCall) string { return "one" }})
	return w
}

func (w *world) TryReserve(_ context.Context, c video.Call, limit int64) (out money.Reservation, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var settled, reserved int64
	out.Attempt = 1
	for _, e := range w.entries {
		if e.Job == c.Job && e.booked.Outcome == "" {
			reserved += e.CostMicroUSD
		} else if e.Job == c.Job {
			settled += e.booked.MicroUSD
		}
		if e.Job == c.Job && e.Fingerprint == c.Fingerprint {
			out.Attempt++
			if e.booked.Outcome == money.BilledFailure {
				out.Charged++
			}
		}
	}
	switch {
	case w.elsewhere[c.Fingerprint]:
		return out, &fault.Error{Class: fault.Overload, Err: money.ErrElsewhere}
	case out.Charged >= money.MaxCharged:
		return out, money.GiveUp("begin", c.Model, out.Charged, nil)
	}
	switch money.Decide(limit, settled, reserved, c.CostMicroUSD) {
	case money.Exceeded:
		return out, fault.New(fault.Budget, "begin", c.Model, "limit")
	case money.Wait:
		return out, &fault.Error{Class: fault.Overload, Err: money.ErrNoRoom}
	default:
	}
	out.Key, out.MicroUSD = money.NewKey("", c.Job, c.Kind, string(c.Fingerprint), out.Attempt), c.CostMicroUSD
	w.entries = append(w.entries, &entry{Call: c, key: out.Key})
	return out, nil
}

func (w *world) Settle(_ context.Context, key string, said money.Booking) (b money.Booking, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if e.key == key {
			e.booked, _ = money.Settle(e.booked, said)
			close(w.settled)
			w.settled = make(chan struct{})
			return e.booked, nil
		}
	}
	return b, errors.New("unknown key")
}

func (w *world) Settled() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.settled
}

// booked counts entries by their outcome, and what they cost in all; those of
// which no request was sent do not count.
func (w *world) booked() (by map[money.Outcome]int, cost int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	by = map[money.Outcome]int{}
	for _, e := range w.entries {
		if e.booked.Outcome != money.Released {
			by[e.booked.Outcome]++
		}
		cost += e.booked.MicroUSD
	}
	return by, cost
}

// call is a call of 10 micro-USD that is answered after a second for 7, unless
// do says otherwise.
func (w *world) call(name string, do func(ctx context.Context) error) video.PaidCall {
	f := video.Fingerprint(name)
	return video.PaidCall{
		Call:  video.Call{Tenant: tenant.Default, Job: "job", Kind: "describe", Model: "vlm", Fingerprint: f, CostMicroUSD: 10},
		Limit: func() int { return w.limit },
		Stored: func(context.Context) (bool, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.stored[f], nil
		},
		Prepare: func(context.Context) (video.Ask, error) {
			return func(ctx context.Context) (video.PaidAnswer, error) {
				w.mu.Lock()
				w.began = append(w.began, name)
				w.inCall++
				w.most = max(w.most, w.inCall)
				w.mu.Unlock()
				defer func() {
					w.mu.Lock()
					w.inCall--
					w.mu.Unlock()
				}()
				if do == nil {
					do = seconds(1)
				}
				err := do(ctx)
				return video.PaidAnswer{CostMicroUSD: 7, Store: func(ctx context.Context) error {
					w.mu.Lock()
					defer w.mu.Unlock()
					if w.failStore > 0 {
						w.failStore--
						return fault.New(fault.Capacity, "store", "", "disk full")
					}
					if ctx.Err() == nil {
						w.stored[f] = true
					}
					return ctx.Err()
				}}, err
			}, nil
		},
	}
}

// seconds answers after so many, or ends as an adapter does that is cut.
func seconds(n int) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(time.Duration(n) * time.Second):
			return nil
		case <-ctx.Done():
			return money.ChargeUnknown(ctx.Err())
		}
	}
}

func within(t *testing.T, do func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, do)
}

// TestComplaint14CacheHits: answers from a cache were billed. A stored answer is not asked for,
// and is not booked. The number is that of a list of complaints about other systems, as in
// internal/ledger/complaints_test.go.
func TestComplaint14CacheHits(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		paid, err := w.Do(t.Context(), w.call("a", nil))
		require.NoError(t, err)
		require.Equal(t, video.Paid{Called: true, CostMicroUSD: 7}, paid)
		paid, err = w.Do(t.Context(), w.call("a", nil))
		require.NoError(t, err)
		require.Zero(t, paid, "it is stored")
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: 1}, by)
		require.EqualValues(t, 7, cost)
	})
}

// TestJoin: one call for one answer, however many want it; others are not held up.
func TestJoin(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(8)
		var called int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				paid, err := w.Do(t.Context(), w.call(fmt.Sprint(i%2), nil))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("call: %v", err)
				}
				if paid.Called {
					called++
				}
			})
		}
		wg.Wait()
		require.Equal(t, 2, called)
		require.Len(t, w.began, 2)
	})
}

// TestOneEndpoint: its limit holds whatever the model and the stage, and they
// share it fairly: a stage that came later does not wait for all of the first.
func TestOneEndpoint(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		var wg sync.WaitGroup
		begin := func(kind, model, job string, n int) {
			ticket := w.Ticket()
			for i := range n {
				c := w.call(fmt.Sprint(kind, job, i), nil)
				c.Kind, c.Model, c.Job, c.Ticket = kind, model, job, ticket
				wg.Go(func() {
					if _, err := w.Do(t.Context(), c); err != nil {
						t.Errorf("call: %v", err)
					}
				})
			}
		}
		begin("describe", "vlm", "one", 100)
		synctest.Wait()
		begin("complete", "student", "two", 10)
		start := time.Now()
		wg.Wait()
		require.Equal(t, 4, w.most)
		last := 0
		for i, name := range w.began {
			if name[:8] == "complete" {
				last = i
			}
		}
		require.Less(t, last, 45, "it has about half of the slots")
		require.Equal(t, 28*time.Second, time.Since(start).Round(time.Second), "no slot is idle")
	})
}

// TestElsewhere: a call in flight in another process holds up itself only.
func TestElsewhere(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		w.elsewhere["a"] = true
		var wg sync.WaitGroup
		wg.Go(func() {
			paid, err := w.Do(t.Context(), w.call("a", nil))
			if err != nil || paid.Called {
				t.Errorf("its answer comes from the other process: %v %v", paid, err)
			}
		})
		synctest.Wait()
		start := time.Now()
		for i := range 5 {
			_, err := w.Do(t.Context(), w.call(fmt.Sprint(i), nil))
			require.NoError(t, err)
		}
		require.Equal(t, 5*time.Second, time.Since(start))
		w.mu.Lock()
		w.stored["a"] = true
		w.mu.Unlock()
		wg.Wait()
		require.Len(t, w.began, 5)
	})
}

// TestBudget: reservations in flight are waited for, and a job stops only when
// what is settled leaves no room.
func TestBudget(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(100)
		var wg sync.WaitGroup
		var mu sync.Mutex
		refused := 0
		for i := range 20 {
			c := w.call(fmt.Sprint(i), nil)
			c.LimitMicroUSD = 100
			wg.Go(func() {
				_, err := w.Do(t.Context(), c)
				mu.Lock()
				defer mu.Unlock()
				if fault.ClassOf(err) == fault.Budget {
					refused++
				} else if err != nil {
					t.Errorf("call: %v", err)
				}
			})
		}
		wg.Wait()
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: 13}, by, "13 × 7 = 91, and another might cost 10")
		require.EqualValues(t, 91, cost)
		require.Equal(t, 7, refused)
		c := w.call("free", nil)
		c.LimitMicroUSD, c.CostMicroUSD = 1, 0
		_, err := w.Do(t.Context(), c)
		require.NoError(t, err, "money never blocks what is free")
		c = w.call("unknown", nil)
		c.LimitMicroUSD, c.Unpriced = 1000, true
		_, err = w.Do(t.Context(), c)
		require.Equal(t, fault.Budget, fault.ClassOf(err))
	})
}

// TestBilledFailures: what is billed and brings nothing is booked, and ends.
func TestBilledFailures(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		bad := func(context.Context) error {
			return money.Charge(fault.New(fault.Transport, "read", "", "the answer is not JSON"), 3)
		}
		_, err := w.Do(t.Context(), w.call("a", bad))
		require.ErrorIs(t, err, money.ErrGivenUp)
		require.ErrorContains(t, err, "the answer is not JSON")
		require.Equal(t, fault.Input, fault.ClassOf(err))
		_, err = w.Do(t.Context(), w.call("a", bad)) // of a later attempt or worker
		require.ErrorIs(t, err, money.ErrGivenUp)
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.BilledFailure: money.MaxCharged}, by)
		require.EqualValues(t, 3*money.MaxCharged, cost)

		failures := 0
		_, err = w.Do(t.Context(), w.call("b", func(context.Context) error {
			if failures++; failures < 3 {
				return money.ChargeUnknown(fault.New(fault.Transport, "read", "", "cut"))
			}
			return nil
		}))
		require.NoError(t, err)
		_, cost = w.booked()
		require.EqualValues(t, 3*money.MaxCharged+10+10+7, cost)
	})
}

// TestRefusals: what is not billed costs nothing, and is tried again as its class says.
func TestRefusals(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		for name, c := range map[string]struct {
			err   error
			calls int
		}{
			"transport": {fault.New(fault.Transport, "read", "", "reset"), 6},
			"input":     {fault.New(fault.Input, "read", "", "no such model"), 1},
			"auth":      {fault.New(fault.Auth, "read", "", "key"), 1},
		} {
			calls := 0
			_, err := w.Do(t.Context(), w.call(name, func(context.Context) error { calls++; return c.err }))
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.calls, calls, name)
		}
		calls := 0
		_, err := w.Do(t.Context(), w.call("overload", func(context.Context) error {
			if calls++; calls < 50 {
				return fault.New(fault.Overload, "read", "", "429")
			}
			return nil
		}))
		require.NoError(t, err, "an overload is waited out")
		_, cost := w.booked()
		require.EqualValues(t, 7, cost)
	})
}

// TestRetryAfter: one call that is refused waits alone; when the endpoint refuses
// others too, it is left alone.
func TestRetryAfter(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		busy := &fault.Error{Class: fault.Overload, RetryAfter: 30 * time.Second}
		once := func(n int) func(context.Context) error {
			return func(context.Context) error {
				if n--; n >= 0 {
					return busy
				}
				return nil
			}
		}
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = w.Do(t.Context(), w.call("a", once(1))) })
		synctest.Wait()
		_, err := w.Do(t.Context(), w.call("b", nil))
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(start))
		wg.Wait()
		require.Equal(t, 30*time.Second, time.Since(start))

		start = time.Now()
		for _, name := range []string{"c", "d"} {
			wg.Go(func() { _, _ = w.Do(t.Context(), w.call(name, once(1))) })
			synctest.Wait()
		}
		_, err = w.Do(t.Context(), w.call("e", nil))
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(start), 30*time.Second)
		wg.Wait()
	})
}

// TestUnstorable: a paid answer that cannot be stored is kept, not paid for again.
func TestUnstorable(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		w.failStore = 20
		_, err := w.Do(t.Context(), w.call("a", nil))
		require.NoError(t, err)
		require.Len(t, w.began, 1)
		w.failStore = 1 << 30
		_, err = w.Do(t.Context(), w.call("b", nil))
		require.Equal(t, fault.Capacity, fault.ClassOf(err))
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: 1, money.BilledFailure: 1}, by)
		require.EqualValues(t, 14, cost)
	})
}

var errGone = errors.New("the server takes the activity for dead")

// TestDetached: a call in flight outlives its activity, and the next one joins it.
func TestDetached(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		c := w.call("a", seconds(60))
		c.Grace = func(error) (time.Duration, bool) { return 0, false }
		ctx, cancel := context.WithCancelCause(t.Context())
		first := make(chan error, 1)
		go func() {
			_, err := w.Do(ctx, c)
			first <- err
		}()
		synctest.Wait()
		cancel(errGone)
		require.ErrorIs(t, <-first, errGone, "at once")
		paid, err := w.Do(t.Context(), c)
		require.NoError(t, err)
		require.Zero(t, paid)
		require.Len(t, w.began, 1)
		by, _ := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: 1}, by)
	})
}

// TestCancel: a person who cancels waits for calls in flight within a bound; what
// is cut is booked at its reservation.
func TestCancel(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(2)
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for i, n := range []int{1, 60, 1} {
			c := w.call(fmt.Sprint(i), seconds(n))
			c.Ticket = int64(i)
			c.Grace = func(error) (time.Duration, bool) { return 2 * time.Second, true }
			wg.Go(func() {
				if _, err := w.Do(ctx, c); !errors.Is(err, errGone) {
					t.Errorf("want a cancellation: %v", err)
				}
			})
			synctest.Wait()
		}
		start := time.Now()
		cancel(errGone)
		wg.Wait()
		require.Equal(t, 2*time.Second, time.Since(start))
		by, cost := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: 1, money.Lost: 1}, by, "the third never began")
		require.EqualValues(t, 17, cost)
		require.True(t, w.stored["0"])
	})
}

// TestCancelAsASlotComesFree: a call whose caller is cancelled in the moment in which
// it could begin is not begun.
func TestCancelAsASlotComesFree(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		release := make(chan struct{})
		first := make(chan error, 1)
		go func() {
			_, err := w.Do(t.Context(), w.call("a", func(context.Context) error { <-release; return nil }))
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error, 1)
		go func() {
			_, err := w.Do(ctx, w.call("b", nil))
			second <- err
		}()
		synctest.Wait()
		cancel()
		close(release)
		require.NoError(t, <-first)
		require.ErrorIs(t, <-second, context.Canceled)
		require.Equal(t, []string{"a"}, w.began)
	})
}

// TestDrain: after the worker was asked to stop no call begins, and those in
// flight end and are stored.
func TestDrain(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(2)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		var mu sync.Mutex
		ended := map[fault.Class]int{}
		do := func(c video.PaidCall) {
			c.Stop = stop
			wg.Go(func() {
				_, err := w.Do(t.Context(), c)
				mu.Lock()
				defer mu.Unlock()
				ended[fault.ClassOf(err)]++
			})
		}
		for i := range 5 {
			do(w.call(fmt.Sprint(i), seconds(30)))
		}
		synctest.Wait()
		close(stop)
		do(w.call("late", nil))
		wg.Wait()
		require.Equal(t, map[fault.Class]int{"": 2, fault.Preempted: 4}, ended)
		require.Len(t, w.began, 2)
		by, _ := w.booked()
		require.Equal(t, map[money.Outcome]int{money.Answered: 2}, by)
	})
}

// TestOthersLimit: who joins a call of another job is not told of that job's limit.
func TestOthersLimit(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(1)
		w.limit = 1
		go func() { _, _ = w.Do(t.Context(), w.call("first", seconds(5))) }()
		synctest.Wait()
		poor, rich := w.call("a", nil), w.call("a", nil)
		poor.Job, poor.LimitMicroUSD, rich.Job = "poor", 1, "rich"
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := w.Do(t.Context(), poor); fault.ClassOf(err) != fault.Budget {
				t.Errorf("want a budget fault: %v", err)
			}
		})
		synctest.Wait()
		_, err := w.Do(t.Context(), rich)
		require.NoError(t, err)
		wg.Wait()
	})
}
