package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/waits"
)

const (
	// transportTries is how often a call is made whose failures the provider does not bill,
	// before its activity fails and the server retries it.
	transportTries = 6
	firstWait      = 200 * time.Millisecond // before the second try, doubling
	overloadWait   = time.Second            // if the endpoint does not state a time
	maxWait        = time.Minute            // maximum that an endpoint may request
	// pollEvery is the interval of looking at other processes' calls.
	pollEvery = 300 * time.Millisecond
	tryEvery  = 2 * time.Second // maximum, between probes of an endpoint that is down
	// pageWait is the maximum between probes of an endpoint that something else replaces.
	pageWait  = 30 * time.Second
	storeWait = 30 * time.Second // maximum, between attempts to store an answer
	// storeForRefused limits it when the store refuses: waiting rarely helps.
	storeForRefused = time.Minute
)

// run makes calls until one is answered or another one is of no use.
func (f *flight) run() (video.Paid, error) {
	defer f.waits(waits.Reason{})
	for tries := 0; ; {
		paid, err := f.once()
		again, wait := f.judge(err, &tries)
		if !again {
			return paid, err
		}
		if wait > 0 {
			f.waits(why(err, wait))
			if err := sleep(f.wanted, wait); err != nil {
				return video.Paid{}, err
			}
		}
	}
}

// why is what a call waits for after an attempt that ended with err, and is made again after d;
// 0 = unknown.
func why(err error, d time.Duration) waits.Reason {
	code := waits.Again
	switch {
	case errors.Is(err, money.ErrElsewhere):
		code = waits.Same
	case errors.Is(err, money.ErrNoRoom):
		code = waits.Reserved
	case errors.Is(err, circuit.ErrOpen), errors.Is(err, circuit.ErrAway):
		code = waits.Endpoint
	case fault.ClassOf(err) == fault.Overload:
		code = waits.Rate
	}
	if d == 0 {
		return waits.Reason{Code: code, Text: err.Error()}
	}
	return waits.For(code, err.Error(), d)
}

// judge decides whether and when a failed call is repeated.
func (f *flight) judge(err error, tries *int) (again bool, wait time.Duration) {
	switch {
	case err == nil, f.going.Err() != nil, errors.Is(err, money.ErrGivenUp):
		return false, 0
	case errors.Is(err, errWaited):
		return true, 0
	case f.call.Once:
		return false, 0
	case money.IsCharged(err) && retried(err):
		// Billed failures have a limit of their own, in the ledger.
		return true, f.spread(f.charged)
	case fault.ClassOf(err) == fault.Overload:
		return true, min(max(fault.RetryAfter(err), overloadWait), maxWait)
	case fault.ClassOf(err) != fault.Transport:
		return false, 0
	}
	*tries++
	wait = firstWait << min(*tries-1, 6)
	return *tries < transportTries, wait + rand.N(wait)
}

// spread is the wait of a call after an attempt that was billed without a usable answer,
// given the number of such attempts. The last wait takes three quarters of the time, so
// that an outage of minutes does not lead to giving up.
func (b *broker) spread(charged int) time.Duration {
	wait := b.options.Spread * 3 / 4 >> (2 * max(0, money.MaxCharged-1-charged))
	return wait + rand.N(wait/8+1)
}

// retried reports whether another attempt may succeed after a billed failure.
func retried(err error) bool {
	return fault.ClassOf(err) == fault.Transport || errors.Is(err, errPanic)
}

// errWaited means that nothing was tried: the call waited for another one, and checks again
// whether its answer is stored.
var errWaited = errors.New("waited for another call")

// once makes one call, unless the answer is stored by now.
func (f *flight) once() (video.Paid, error) {
	f.tries(false)
	// A server on demand is held until the request has ended. A wait for money does not hold it.
	down, err := f.options.Up(f.wanted, f.name, func(text string) {
		reason := waits.Reason{Code: waits.Server, On: f.call.Model, Text: text}
		if text == "" {
			reason = waits.Reason{}
		}
		f.waits(reason)
	})
	if err != nil {
		return video.Paid{}, err
	}
	down = sync.OnceFunc(down)
	defer down()
	pass, err := f.up()
	if err != nil {
		return video.Paid{}, err
	}
	made := false
	defer func() {
		if !made {
			f.circuit.Leave(pass)
		}
	}()
	f.resize()
	if err := f.open.enter(f.wanted, f.place); err != nil {
		return video.Paid{}, err
	}
	leave := sync.OnceFunc(func() { f.open.leave(f.place) })
	defer leave()
	if ready, err := f.ready(); ready || err != nil {
		return video.Paid{}, err
	}
	if err := f.ahead.enter(f.wanted, f.place); err != nil {
		return video.Paid{}, err
	}
	free := sync.OnceFunc(func() { f.ahead.leave(f.place) })
	defer free()
	settled := f.options.Ledger.Settled()
	reserved, err := f.reserve()
	if err != nil {
		free()
		leave()
		down()
		return video.Paid{}, f.refused(err, settled)
	}
	defer f.ended()
	if err := f.admitted(); err != nil {
		return video.Paid{}, errors.Join(err, f.book(reserved.Key, money.Booking{Outcome: money.Released}))
	}
	answer, used, err := f.request(reserved.Key)
	f.slots.leave(f.place)
	free()
	down()
	f.resize()
	made = true
	f.news(pass, err)
	return f.settle(reserved, answer, used, err)
}

// ready prepares the request, unless the answer is stored by now.
func (f *flight) ready() (stored bool, err error) {
	err = guarded(f.options.Log, func() (err error) {
		if f.call.Stored != nil {
			if stored, err = f.call.Stored(f.wanted); stored || err != nil {
				return err
			}
		}
		if f.ask == nil {
			f.ask, err = f.call.Prepare(f.wanted)
		}
		return err
	})
	return stored, err
}

// request asks the endpoint once.
func (f *flight) request(key string) (answer video.PaidAnswer, used money.Used, err error) {
	f.tries(true)
	ctx, cancel := context.WithTimeoutCause(f.going, f.options.Timeout, errTimeout)
	defer cancel()
	ctx, meter := money.WithMeter(ctx)
	err = asking(f.options.Log, func() (err error) {
		answer, err = f.ask(money.WithPayer(money.WithEntry(ctx, key), f.pay))
		return err
	})
	if err != nil && errors.Is(context.Cause(ctx), errTimeout) {
		charge := money.ChargeUnknown
		if money.Unsent(err) {
			charge = money.NeverSent
		}
		err = charge(errTimeout)
	}
	return answer, meter.Used(), err
}

var errTimeout = fault.New(fault.Transport, "call model", "", "no answer in time")

// resize sets the slots to the endpoint's current concurrency.
func (f *flight) resize() {
	limit := max(f.call.Limit(), 1)
	f.slots.resize(limit)
	f.ahead.resize(limit + limit/16)
	f.open.resize(limit + limit/4)
}

// admitted waits for a slot of the endpoint. The request is sent next, unless the worker
// was asked to stop meanwhile, or all callers have gone.
func (f *flight) admitted() error {
	if err := f.slots.enter(f.wanted, f.place); err != nil {
		return err
	}
	if err := f.begin(); err != nil {
		f.slots.leave(f.place)
		return err
	}
	return nil
}

// reserve reserves the call in the ledger. From here on it is not cut.
func (f *flight) reserve() (money.Reservation, error) {
	if err := f.begin(); err != nil {
		return money.Reservation{}, err
	}
	f.reserving.Store(true)
	defer f.reserving.Store(false)
	r, err := f.options.Ledger.TryReserve(f.going, f.call.Call, f.call.LimitMicroUSD)
	if err == nil {
		return r, nil
	}
	f.ended()
	if f.unwritten(err) {
		err = money.Unreserved(err)
	}
	return r, err
}

// unwritten reports whether a reservation failed because the ledger cannot be written, and was not
// refused.
func (f *flight) unwritten(err error) bool {
	if errors.Is(err, money.ErrNoRoom) || errors.Is(err, money.ErrElsewhere) || errors.Is(err, money.ErrGivenUp) || f.going.Err() != nil {
		return false
	}
	switch fault.ClassOf(err) {
	case fault.Input, fault.Budget, fault.Preempted:
		return false
	case fault.Overload, fault.Transport, fault.Capacity, fault.Auth, "":
	}
	return true
}

// refused waits for the cause of a refused reservation.
func (f *flight) refused(err error, settled <-chan struct{}) error {
	room := errors.Is(err, money.ErrNoRoom)
	if !room && !errors.Is(err, money.ErrElsewhere) {
		return err
	}
	f.waits(why(err, 0))
	if !room {
		settled = nil // settlements of this process say nothing about others
	}
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	select {
	case <-settled:
	case <-timer.C:
	case <-f.wanted.Done():
		return context.Cause(f.wanted)
	}
	return errWaited
}

// settle stores the answer and books how the call ended.
func (f *flight) settle(r money.Reservation, a video.PaidAnswer, used money.Used, err error) (video.Paid, error) {
	booking := f.outcome(r, err, a.CostMicroUSD)
	booking.Used = used
	if err == nil {
		if err = f.store(a); err != nil {
			booking.Outcome = money.BilledFailure
			if f.going.Err() != nil {
				booking.Outcome = money.Lost
			}
		}
	}
	if f.call.Once && booking.Outcome == money.Answered {
		// Until it is settled, its reservation counts: no budget is exceeded meanwhile.
		f.unsettled.add(context.WithoutCancel(f.going), r.Key, booking, soon())
		return video.Paid{Called: true, CostMicroUSD: booking.MicroUSD}, nil
	}
	if booked := f.book(r.Key, booking); booked != nil {
		return video.Paid{}, errors.Join(err, booked)
	}
	if booking.Outcome == money.BilledFailure {
		if f.charged = r.Charged + 1; retried(err) && f.charged >= money.MaxCharged {
			err = money.GiveUp("call model", f.call.Model, f.charged, err)
		}
	}
	if err != nil {
		return video.Paid{}, err
	}
	return video.Paid{Called: true, CostMicroUSD: booking.MicroUSD}, nil
}

// outcome is the booking of a request that ended with err.
func (f *flight) outcome(r money.Reservation, err error, cost int64) money.Booking {
	booking := money.End(err, cost, r.MicroUSD)
	switch {
	case err == nil, booking.Outcome == money.Released:
	case f.going.Err() != nil:
		// It was cut: whether the provider bills it is unknown, unless the error says so.
		if booking.Outcome != money.BilledFailure {
			booking.MicroUSD = r.MicroUSD
		}
		booking.Outcome = money.Lost
	case errors.Is(err, circuit.ErrOpen):
		booking = money.Booking{Outcome: money.Released}
	}
	return booking
}

// store keeps a paid answer in memory and retries storing it, instead of paying for another
// one.
func (f *flight) store(a video.PaidAnswer) error {
	start := time.Now()
	for wait := firstWait; ; wait = min(2*wait, storeWait) {
		err := guarded(f.options.Log, func() error { return a.Store(f.closing) })
		if err == nil {
			return nil
		}
		bound := f.options.StoreFor
		if class := fault.ClassOf(err); class == fault.Input || class == fault.Auth || errors.Is(err, errPanic) {
			bound = min(bound, storeForRefused)
		}
		if time.Since(start) > bound {
			return err
		}
		f.waits(waits.For(waits.Store, fmt.Sprintf("storing a paid answer: %v", err), wait))
		if sleep(f.going, wait) != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
