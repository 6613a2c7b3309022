package upstream

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// Broker makes paid calls; see package broker.
type Broker interface {
	Do(ctx context.Context, c video.PaidCall) (video.Paid, error)
	Ticket() int64
}

// Dispatcher sends requests to model servers. Make one with New.
type Dispatcher struct {
	broker    Broker
	queue     time.Duration
	fallbacks map[string][]string
	byModel   map[string][]*server // in the order of the configuration
	prices    func(e config.Endpoint, model string) *money.Price
}

// New makes a dispatcher of the endpoints of a configuration. r removes keys and addresses from what
// servers say; nil = only the key of each server.
func New(c config.Config, getenv func(string) string, r *safetext.Redactor, b Broker) *Dispatcher {
	d := &Dispatcher{broker: b, queue: c.Gateway.Queue, fallbacks: c.Gateway.Fallbacks, byModel: map[string][]*server{}}
	d.prices = func(e config.Endpoint, model string) *money.Price {
		if e.InputUSDPerMTok != nil && e.OutputUSDPerMTok != nil {
			return &money.Price{Input: *e.InputUSDPerMTok, Output: *e.OutputUSDPerMTok}
		}
		return c.Price(model)
	}
	limits, clocks := map[string]*limit.Limit{}, map[string]*gpuClock{}
	all := slices.Concat(c.Endpoints, c.Optimize.Endpoints)
	for _, e := range all {
		o := limit.Options{}
		for _, other := range all { // the lowest limit of a server's endpoints counts
			if other.Server() == e.Server() && other.MaxInFlight > 0 && (!o.Fixed || other.MaxInFlight < o.Max) {
				o.Max, o.Fixed = other.MaxInFlight, true
			}
		}
		if limits[e.Server()] == nil {
			limits[e.Server()] = limit.New(o)
			clocks[e.Server()] = &gpuClock{gpus: gpusOf(c, e), now: time.Now}
		}
		s := newServer(e, getenv, r, limits[e.Server()], clocks[e.Server()])
		for _, model := range e.Models {
			if !slices.ContainsFunc(d.byModel[model], func(o *server) bool { return o.Server() == s.Server() && o.Kind == s.Kind }) {
				d.byModel[model] = append(d.byModel[model], s)
			}
		}
	}
	return d
}

// gpusOf is the number of GPUs of an endpoint's server, as far as the configuration says it.
func gpusOf(c config.Config, e config.Endpoint) int {
	for _, s := range c.Servers {
		if s.Name == e.OwnServer {
			return s.GPUs
		}
	}
	return 0
}

// order is the servers of a model, the best first.
func (d *Dispatcher) order(model string, u Use) []*server {
	all := d.find(model, u)
	now, at := time.Now(), map[*server]standing{}
	for _, s := range all {
		at[s] = s.standing(now)
	}
	slices.SortStableFunc(all, func(a, b *server) int { return at[a].compare(at[b]) })
	return all
}

const (
	maxRounds  = 3 // over all servers, if they fail; if they are busy or down, until the queue time is over
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// Serve answers a request by one of the servers of its model, or of its fallbacks. Another server
// is asked only while no byte of an answer was sent.
func (d *Dispatcher) Serve(ctx context.Context, w http.ResponseWriter, c api.Caller, q *Request) error {
	err := d.serve(ctx, w, c, q)
	if ctx.Err() == nil && errors.Is(err, money.ErrUnreserved) {
		return unreserved(err)
	}
	return err
}

// unreserved is what a caller is told if the ledger cannot be written.
func unreserved(err error) error {
	const soon = 5 * time.Second
	return &api.Error{
		Status: http.StatusServiceUnavailable, Code: CodeLedger, RetryAfter: max(fault.RetryAfter(err), soon), Err: err,
		Message: "the ledger, in which each call is booked before it is made, cannot be written now; no model was asked. Try again",
	}
}

// CodeLedger is of calls that could not be booked.
const CodeLedger = "ledger_unavailable"

func (d *Dispatcher) serve(ctx context.Context, w http.ResponseWriter, c api.Caller, q *Request) error {
	if err := d.Served(q.Model, q.Use); err != nil {
		return err
	}
	models := append([]string{q.Model}, d.fallbacks[q.Model]...)
	p := newPatience(ctx, d.queue)
	var before error // of the last round
	for round := 1; ; round++ {
		var worst error
		all := d.candidates(models, q.Use)
		for i, at := range all {
			x := &exchange{d: d, s: at.server, q: q, caller: c, model: at.model, w: w, turn: p.turn(len(all) - i)}
			err := x.do()
			x.turn.end()
			if err == nil || x.sent || ctx.Err() != nil || !elsewhere(err) {
				return err
			}
			if errors.Is(err, money.ErrUnreserved) { // for all servers alike
				worst = err
				break
			}
			if worst == nil || rank(err) < rank(worst) {
				worst = err
			}
		}
		if waitable(worst) || round < maxRounds && fault.ClassOf(worst) == fault.Transport {
			pause := min(firstPause<<min(round-1, 8), lastPause)
			if p.sleep(max(pause, min(fault.RetryAfter(worst), lastPause))) {
				before = worst
				continue
			}
		}
		if late, ok := errors.AsType[*lateError](worst); ok && before != nil && !isLate(before) {
			if !waitable(before) { // a failure does not become "busy" because a repetition came too late
				return before
			}
			return late.because(before)
		}
		return worst
	}
}

// candidate is a server that may answer a request.
type candidate struct {
	*server
	model string
}

// candidates are the servers of models, in the order in which they are asked.
func (d *Dispatcher) candidates(models []string, u Use) (all []candidate) {
	for _, model := range models {
		for _, s := range d.order(model, u) {
			all = append(all, candidate{s, model})
		}
	}
	return all
}

// elsewhere reports whether another server may answer what one did not.
func elsewhere(err error) bool {
	switch fault.ClassOf(err) {
	case fault.Overload, fault.Transport, fault.Capacity, fault.Auth, fault.Budget:
		return true
	case fault.Input:
		return errors.Is(err, fault.ErrNotServed)
	case fault.Preempted:
	}
	return false
}

// waitable reports whether a failure passes by itself: the server is busy, down or starting.
func waitable(err error) bool {
	return fault.ClassOf(err) == fault.Overload || fault.ClassOf(err) == fault.Transport && money.Unsent(err)
}

// rank orders failures: the caller is told the one that is most likely to pass.
func rank(err error) int {
	return slices.Index([]fault.Class{fault.Overload, fault.Transport, fault.Capacity, fault.Budget, fault.Auth, fault.Input, ""}, fault.ClassOf(err))
}
