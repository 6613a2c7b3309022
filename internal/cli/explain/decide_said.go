package explain

import (
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/video/waits"
)

// codes maps what heartbeats say to causes.
func codes() map[waits.Code]string {
	return map[waits.Code]string{
		waits.GPU: GPULease, waits.Server: ModelServer, waits.Endpoint: EndpointDown, waits.Rate: RateLimit, waits.Again: CallFailed,
		waits.Reserved: Reserved, waits.Same: SameCall, waits.Store: StoreFailing, waits.Book: LedgerFailing,
	}
}

// ofSaid explains the wait that the heartbeats of a running step say.
func (f facts) ofSaid(s step, c Cause) (Cause, bool) {
	if len(s.says.Waits) == 0 {
		return c, false
	}
	w := s.says.Waits[0]
	for _, other := range s.says.Waits[1:] { // the worst one
		if code := codes()[other.Code]; code != "" && rank(code) < rank(codes()[w.Code]) {
			w = other
		}
	}
	if c.Code = codes()[w.Code]; c.Code == "" {
		c.Code = Waiting // of a newer build
	}
	c.Since, c.Until = at(w.Since), nil
	if w.Until != nil && w.Until.After(f.now) {
		c.Until = w.Until
	}
	id := quoted(f.id)
	c.Do = []string{"cogflow health", "cogflow watch " + id}
	switch c.Code {
	case GPULease:
		c.Text = "The step waits for a GPU of its worker " + s.worker + ": " + w.Text + "."
		if len(s.holders) > 0 {
			c.Text += " Other work on its host: " + names(s.holders) + "."
		}
		c.Ends = "the other work ends or leaves the GPU"
		c.Do = append(append([]string{"cogflow pools"}, explainFirst(s.holders)...), "cogflow-worker --pools "+s.pool()+" --gpu "+s.class())
	case EndpointDown:
		c.Text = "The endpoint of " + named(w.On) + " does not answer, so no call is made; one call at a time checks it. " + w.Text + "."
		c.Ends = "the endpoint answers; the job continues by itself"
	case ModelServer:
		c.Text = "The model server of " + named(w.On) + " runs on demand and is not ready" + calls(w.Calls, " waits", " wait") + ": " + w.Text + "."
		c.Ends = "the server is ready, or its start fails"
	case RateLimit:
		c.Text = "The endpoint of " + named(w.On) + " limits the rate" + calls(w.Calls, " waits", " wait") + ": " + w.Text + "."
		c.Ends = "the time that the endpoint asked for is over; the job continues by itself"
	case CallFailed:
		c.Text = "Calls of " + named(w.On) + " fail and are made again" + calls(w.Calls, " waits", " wait") + ": " + w.Text + "."
		c.Ends = "a call succeeds; after several failures the step is tried again"
	case Reserved:
		c.Text = "Calls in flight reserve the rest of the budget: " + w.Text + "."
		c.Ends = "they end and cost less than they reserved, or the limit is raised"
		c.Do = []string{fmt.Sprintf("cogflow tune %s --budget %.2f", id, max(0.01, 2*f.limit)), "cogflow watch " + id}
	case SameCall:
		c.Text = "Another process makes the same call of " + named(w.On) + ", and its answer is used."
		c.Ends = "its answer is stored"
		c.Do = []string{"cogflow watch " + id}
	case StoreFailing:
		c.Text = "A paid answer cannot be stored, and is kept and tried again: " + w.Text + "."
		c.Ends = "the object store takes it"
		c.Do = []string{"cogflow store check", "cogflow health"}
	case LedgerFailing:
		c.Text = "What a call cost cannot be booked, and is tried again: " + w.Text + "."
		c.Ends = "the ledger takes it"
		c.Do = []string{"cogflow health", "cogflow watch " + id}
	default:
		c.Text = "The step " + s.activity + " waits: " + w.Text + "."
		c.Ends = "the wait ends by itself"
	}
	return c, true
}

func named(model string) string {
	if model == "" {
		return "the model"
	}
	return "the model " + model
}

func calls(n int, one, many string) string {
	if n == 0 {
		return ""
	}
	verb := many
	if n == 1 {
		verb = one
	}
	return ", and " + format.Count(n, "call", "calls") + verb
}

// Bounds of what counts as slow. A caption of a large model takes a few seconds; an endpoint
// that answers within slowAnswer is not what a person would look at first.
const (
	slowAnswer     = 10 * time.Second
	lowConcurrency = 2
)

// ofPace explains a step that runs slowly because its model answers slowly, or few at a time.
func (f facts) ofPace(s step, c Cause) (Cause, bool) {
	m := s.says.Model
	if m == nil || m.Open == 0 {
		return c, false
	}
	mean, known := meanAnswer(*m)
	c.Ends, c.Do = "it finishes", []string{"cogflow health", "cogflow config show", "cogflow watch " + quoted(f.id)}
	rate := fmt.Sprintf("%s at a time", format.Count(m.Limit, "call", "calls"))
	switch {
	case known && mean >= slowAnswer:
		c.Code = SlowEndpoint
		c.Text = fmt.Sprintf("The endpoint of %s is slow: an answer takes %s, with at most %s.", named(m.Model), format.Span(mean.Round(100*time.Millisecond)), rate)
	case m.Limit <= lowConcurrency && m.Open > m.Flying && m.Flying > 0:
		c.Code = LowConcurrency
		c.Text = fmt.Sprintf("The endpoint of %s is called with at most %s, and %s.", named(m.Model), rate, format.Count(m.Open-m.Flying, "call waits for its turn", "calls wait for their turn"))
		if known {
			c.Text += fmt.Sprintf(" An answer takes %s.", format.Span(mean.Round(10*time.Millisecond)))
		}
	default:
		return c, false
	}
	return c, true
}

// meanAnswer is the mean time of an answer. Before the first one, it is what the oldest request
// has taken so far.
func meanAnswer(m activities.ModelPace) (time.Duration, bool) {
	seconds := m.Oldest
	if m.Calls > 0 {
		seconds = m.Seconds / float64(m.Calls)
	}
	return time.Duration(seconds * float64(time.Second)), seconds > 0
}
