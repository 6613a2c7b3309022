package optimize

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/video"
)

// An endpoint may reject one request because of its content, or every request because of a
// wrong configuration or an empty account. Providers use the same status and similar messages
// for both. The run therefore observes the endpoint: a request was rejected for its content if
// the same model answered a request that was sent later. If no later request was answered, the
// run sends a control request, which contains no row.

const (
	// heldAtMost is the number of rejected calls of a model that wait before the first control
	// request. It doubles with each control request that is answered, up to heldLargest.
	heldAtMost  = 10
	heldLargest = 80
	// failsAfter is the first attempt of an activity in which a transport failure counts as a
	// rejection. If the endpoint is down, the control request fails as well.
	failsAfter = 4
)

// rejectedError is the failure of a call that its endpoint rejected.
type rejectedError struct {
	error
	at int64 // time on the clock of Activities
}

func (e *rejectedError) Unwrap() error { return e.error }

// rejection wraps a failure that may be caused by the content of its request.
func (a *Activities) rejection(err error, attempt int32) error {
	rejects := false
	switch fault.ClassOf(err) {
	case fault.Input:
		rejects = !money.Unsent(err) && !errors.Is(err, fault.ErrNotServed)
	case fault.Transport:
		rejects = attempt >= failsAfter
	default:
	}
	if !rejects {
		return err
	}
	return &rejectedError{err, a.clock.Add(1)}
}

// heldBack are the rejected calls of a stage that wait for proof that their model works.
type heldBack struct {
	calls map[string][]answered // by role and model
	most  map[string]int        // by role and model; 0 = heldAtMost
}

func (h *heldBack) add(one answered) (full bool) {
	if h.calls == nil {
		h.calls, h.most = map[string][]answered{}, map[string]int{}
	}
	h.calls[one.of] = append(h.calls[one.of], one)
	return len(h.calls[one.of]) >= max(h.most[one.of], heldAtMost)
}

// before removes and returns the calls of a model that were rejected before a time.
func (h *heldBack) before(of string, at int64) (out []answered) {
	if len(h.calls[of]) == 0 {
		return nil
	}
	h.calls[of] = slices.DeleteFunc(h.calls[of], func(one answered) bool {
		if one.rejected.at >= at {
			return false
		}
		out = append(out, one)
		return true
	})
	return out
}

// first names a role and model with calls that are held back; "" = none.
func (h *heldBack) first() string {
	first := ""
	for of, calls := range h.calls {
		if len(calls) > 0 && (first == "" || of < first) {
			first = of
		}
	}
	return first
}

// release gives up the calls of a model that were rejected before a request was sent which
// the model answered. Each gets an empty answer, which scores 0 or is not used.
func (c *stageRunner) release(ctx context.Context, now *calling, of string, sent int64) error {
	for _, one := range now.held.before(of, sent) {
		if err := c.gone.reject(ctx, one); err != nil {
			return err
		}
		c.answers.Add(1)
		one.missing(one.rejected.Error())
		if err := c.take(now, one); err != nil {
			return err
		}
	}
	return nil
}

// prove sends a control request to a model whose rejected calls wait for proof.
func (c *stageRunner) prove(ctx context.Context, now *calling, of string) error {
	held := now.held.calls[of]
	control := held[0]
	control.rejected, control.request = nil, controlRequest(held)
	control.fingerprint = control.request.Fingerprint()
	control.sent = &atomic.Int64{}
	control = c.complete(ctx, control)
	switch {
	case control.rejected != nil && fault.ClassOf(control.rejected) == fault.Transport:
		return control.rejected.error
	case control.rejected != nil, errors.Is(control.err, money.ErrGivenUp), control.err == nil && !control.proves:
		with := ""
		if prompt.HasImages(control.request.Messages) {
			with = " with an image (does it take images?)"
		}
		return &fault.Error{
			Class: fault.Input, Op: "ask model", Subject: held[0].model.Name, Err: held[0].rejected.error,
			Reason: fmt.Sprintf("it rejected %d requests, and a short one without a row as well%s; correct its endpoint, its parameters or its account", len(held), with),
		}
	case control.err != nil:
		return control.err
	}
	now.held.most[of] = min(2*max(now.held.most[of], heldAtMost), heldLargest)
	return c.release(ctx, now, of, c.a.clock.Add(1))
}

// controlRequest has the parameters of a rejected request, but contains no row. It has a hash
// of the rejected requests, so that it is a new request each time, and an image if they have:
// a model without vision rejects all rows with images.
func controlRequest(held []answered) prompt.Completion {
	names := make([]string, len(held))
	for i, one := range held {
		names[i] = string(one.fingerprint)
	}
	slices.Sort(names)
	c := held[0].request
	c.Format = nil
	c.Messages = []prompt.Message{{
		Role: prompt.User, Content: "Reply with the word ok. (" + string(video.NewFingerprint("control", names...)[:8]) + ")",
	}}
	if sample, err := image.Sample(); err == nil && slices.ContainsFunc(held, func(one answered) bool { return prompt.HasImages(one.request.Messages) }) {
		c.Messages[0] = prompt.Message{Role: prompt.User, Parts: []prompt.Part{{Text: c.Messages[0].Content}, {Image: &sample}}}
	}
	return c
}
