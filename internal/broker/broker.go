// Package broker is the only way to a model endpoint: one broker for each
// endpoint and process. In this order a call finds out whether its answer is
// stored; joins one for the same answer that is in flight, here or in another
// process; waits until a model server that runs on demand has started, until the endpoint
// is up, and for one of the slots that the endpoint has, whatever the model or the stage;
// reserves its cost in the ledger; is made, with its answer stored and its cost settled. Retries of a model call,
// Retry-After and backoff are decided here; a call that it reports as failed may be
// retried by activities/errors.go. It knows no protocol, no price and no Temporal.
//
// A call in progress is not cut because its caller has gone: it runs to its end, and the
// next caller joins it. See video.PaidCall.Grace for the limit.
package broker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
)

// Ledger is the part of the ledger that a broker uses.
type Ledger interface {
	TryReserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error)
	Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error)
	// Settled is closed at the next settlement of this process.
	Settled() <-chan struct{}
}

// Options of Brokers.
type Options struct {
	Ledger Ledger
	// Endpoint names the endpoint that a call goes to; nil = one for each kind and model.
	Endpoint func(c video.PaidCall) string
	// Up brings the server of an endpoint up, which may take minutes, and holds it until
	// release is called; waits gets what it waits for. nil = all servers are always up.
	Up func(ctx context.Context, endpoint string, waits func(reason string)) (release func(), err error)
	// StoreFor is how long a paid answer that cannot be stored is kept in memory and
	// retried; 0 = 1 h.
	StoreFor time.Duration
	// Spread is the time over which the attempts of a call are spread that is billed each
	// time without a usable answer, until it is given up; 0 = 6 min. A shorter outage of
	// the endpoint loses nothing.
	Spread time.Duration
	// Log receives the panics of adapters; nil = slog.Default().
	Log *slog.Logger
	// Timeout limits a request whose adapter has no limit; 0 = 30 min.
	Timeout time.Duration
}

// Brokers are the brokers of one process. Make them with New.
type Brokers struct {
	options   Options
	unsettled *unsettled
	tickets   atomic.Int64
	mu        sync.Mutex
	by        map[string]*broker // by endpoint
	checks    further            // requests of checks that were billed
}

// New makes the brokers of a process.
func New(o Options) *Brokers {
	if o.Endpoint == nil {
		o.Endpoint = func(c video.PaidCall) string { return c.Kind + " " + c.Model }
	}
	if o.Up == nil {
		o.Up = func(context.Context, string, func(string)) (func(), error) { return func() {}, nil }
	}
	if o.StoreFor <= 0 {
		o.StoreFor = time.Hour
	}
	if o.Spread <= 0 {
		o.Spread = 6 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Minute
	}
	return &Brokers{options: o, unsettled: newUnsettled(o.Ledger, o.Log), by: map[string]*broker{}}
}

// Ticket is a place in the order of calls, behind all earlier tickets.
func (b *Brokers) Ticket() int64 { return b.tickets.Add(1) }

// Do makes sure that the answer of a call is stored.
func (b *Brokers) Do(ctx context.Context, c video.PaidCall) (video.Paid, error) {
	name := c.Endpoint
	if name == "" {
		name = b.options.Endpoint(c)
	}
	b.mu.Lock()
	one := b.by[name]
	if one == nil {
		one = &broker{
			name: name, options: b.options, unsettled: b.unsettled, flights: map[string]*flight{},
			circuit: circuit.New(circuit.Options{Most: tryEvery}),
		}
		b.by[name] = one
	}
	b.mu.Unlock()
	return one.do(ctx, c)
}

// broker is the way to one endpoint.
type broker struct {
	name      string // of the endpoint
	options   Options
	unsettled *unsettled
	// slots are the endpoint's concurrency. Some more calls are reserved ahead, and some
	// more are open, so that neither the ledger nor storing an answer leaves a slot idle.
	// The number reserved ahead limits what a kill books as lost although it was not sent;
	// the number of open calls limits what waits to be stored.
	slots, ahead, open gate
	circuit            *circuit.Breaker
	quiet              quiet
	down               atomic.Pointer[string] // the last failure of an endpoint that is down
	further            further

	mu      sync.Mutex
	flights map[string]*flight // by tenant and fingerprint
}

// errAbandoned ends a flight that no caller waits for.
var errAbandoned = errors.New("the call was abandoned")

var errStopping = &fault.Error{
	Class: fault.Preempted, Op: "call model", Reason: "the worker is stopping; another continues from what is stored",
}

func (b *broker) do(ctx context.Context, c video.PaidCall) (video.Paid, error) {
	for {
		if c.Stored != nil {
			if stored, err := c.Stored(ctx); stored || err != nil {
				return video.Paid{}, err
			}
		}
		if c.Unpriced && c.LimitMicroUSD > 0 {
			return video.Paid{}, fault.New(fault.Budget, "call model", c.Model,
				money.UnknownPrice+", so nothing is asked of it; set its price, or remove the limit")
		}
		paid, err := b.join(ctx, c)
		if !errors.Is(err, errAbandoned) || ctx.Err() != nil {
			return paid, err
		}
	}
}

// join waits for the flight of the call, and starts it if there is none.
func (b *broker) join(ctx context.Context, c video.PaidCall) (video.Paid, error) {
	if ctx.Err() != nil {
		return video.Paid{}, context.Cause(ctx)
	}
	who := &caller{c, ctx.Done()}
	f, mine := b.enter(ctx, who)
	stop := c.Stop
	for {
		select {
		case <-f.done:
			if mine && errors.Is(f.err, errAbandoned) && ctx.Err() != nil {
				return video.Paid{}, context.Cause(ctx)
			}
			if mine {
				return f.paid, f.err
			}
			if f.own() || f.call.Job != c.Job && errors.Is(f.err, money.ErrGivenUp) {
				return video.Paid{}, errAbandoned
			}
			return video.Paid{}, f.err
		case <-stop:
			stop = nil
			f.unwant(errStopping)
		case <-ctx.Done():
			return video.Paid{}, who.leave(ctx, f)
		}
	}
}

// caller waits for a flight.
type caller struct {
	video.PaidCall
	ended <-chan struct{} // closed when it no longer waits, perhaps before it calls leave
}

func (c *caller) gone() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// leave is for a caller whose context has ended. The last caller sets the limit of the
// call.
func (c *caller) leave(ctx context.Context, f *flight) error {
	cause := context.Cause(ctx)
	var grace time.Duration
	bounded := true
	if c.Grace != nil {
		grace, bounded = c.Grace(cause)
	}
	if c.Once && f.reserving.Load() { // what the caller has waited for
		cause = money.Unreserved(cause)
	}
	if soon := f.leave(c, grace, bounded); soon {
		// A call that ends soon ends before its activity does, and so before its worker.
		<-f.done
	}
	return cause
}

// enter finds or starts the flight of a call.
func (b *broker) enter(ctx context.Context, c *caller) (f *flight, mine bool) {
	name := string(c.Tenant) + "/" + string(c.Fingerprint)
	b.mu.Lock()
	defer b.mu.Unlock()
	if f = b.flights[name]; f != nil && f.join(c) {
		return f, false
	}
	f = newFlight(ctx, b, c)
	b.flights[name] = f
	panics.Go(func() error {
		return guarded(b.options.Log, func() (err error) {
			f.paid, err = f.run()
			return err
		})
	}, func(err error) {
		f.err = err
		b.mu.Lock()
		if b.flights[name] == f {
			delete(b.flights, name)
		}
		b.mu.Unlock()
		f.land()
	})
	return f, true
}
