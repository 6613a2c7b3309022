package explain

import (
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/workflows"
)

const (
	// freshFor is how long a step may wait for a worker before that is worth a word.
	freshFor = 5 * time.Second
	// overdueAfter is the share of the heartbeat timeout after which a heartbeat is overdue.
	overdueAfter = 0.6
	// clocksDiffer bounds what the clocks of this host and the server may differ: later than this
	// after a timeout, the server would have ended the attempt.
	clocksDiffer = 5 * time.Second
)

// ofStep explains a pending activity; ok is false if it simply runs.
func (f facts) ofStep(s step) (c Cause, ok bool) {
	c.Step = s.activity
	c.Since = at(s.since)
	id := quoted(f.id)
	switch {
	case s.paused != nil:
		c.Code, c.Since = ActivityPaused, at(s.paused.since)
		c.Text = "The step " + s.activity + " is paused on the server" + by(s.paused) + "."
		c.Ends, c.Do = "it is unpaused there", []string{"temporal activity unpause --workflow-id " + id + " --activity-type " + s.activity}
	case s.state == enumspb.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED:
		return c, false // the cancellation is explained once
	case s.next.After(f.now), s.failure != nil && s.state == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED && s.served.Workers > 0 && f.now.Sub(s.since) < freshFor:
		f.ofRetry(s, &c)
	case s.state == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED:
		return f.ofQueue(s, c)
	default:
		return f.ofStarted(s, c)
	}
	return c, true
}

// ofRetry explains a step whose last attempt failed and that is tried again.
func (f facts) ofRetry(s step, c *Cause) {
	id := quoted(f.id)
	c.Since, c.Ends = nil, "its next attempt succeeds"
	if s.next.After(f.now) {
		c.Until = at(s.next)
	}
	last := s.failure
	if last == nil {
		last = &failure{text: "the reason is not recorded"}
	}
	attempt := fmt.Sprintf(" (attempt %d failed", s.attempt-1)
	if c.Until != nil {
		attempt += ", the next begins in " + format.Span(s.next.Sub(f.now))
	}
	attempt += ")"
	c.Do = []string{"cogflow logs " + id + " --level warn", "cogflow watch " + id}
	switch holder := activities.HolderOf(last.text); {
	case holder != "":
		c.Code, c.Text = Claimed, "Another workflow does the same work: "+holder+"."
		c.Ends, c.Do = "it ends; then this job continues with what it stored", []string{"cogflow explain " + quoted(holder), "cogflow watch " + quoted(holder)}
	case activities.OtherBuild(last.text):
		c.Code, c.Text = OtherBuild, "The step "+s.activity+" needs a worker of another build: "+last.text
		c.Ends, c.Do = "a worker of that build takes it, or this build after a few attempts", []string{"cogflow pools"}
	case activities.Stopped(last.text):
		c.Code, c.Text = Draining, "The worker of the step "+s.activity+" was stopped"+attempt+"."
		c.Ends, c.Do = "another worker continues from what is stored", []string{"cogflow pools"}
	case last.lost:
		c.Code, c.Text = WorkerLost, "The worker "+s.worker+" of the step "+s.activity+" was lost: its heartbeats ended"+attempt+"."
		c.Ends, c.Do = "another worker continues from what is stored", []string{"cogflow pools"}
	case last.class == string(fault.Capacity):
		c.Code, c.Text = Capacity, "The step "+s.activity+" waits for room"+attempt+": "+last.text
		c.Ends = "the named cause is fixed; the job continues by itself"
	case last.class == string(fault.Overload):
		c.Code, c.Text = RateLimit, "A service that the step "+s.activity+" calls is overloaded"+attempt+": "+last.text
		c.Ends = "the service has room again; the job continues by itself"
	default:
		c.Code, c.Text = Failing, "The step "+s.activity+" fails"+attempt+": "+last.text
	}
}

// ofQueue explains a step that no worker has taken.
func (f facts) ofQueue(s step, c Cause) (Cause, bool) {
	waited := f.now.Sub(s.since)
	id := quoted(f.id)
	start := "cogflow-worker --pools " + s.pool()
	what := "the task queue " + s.queue
	if s.pool() != s.queue {
		start += " --gpu " + s.class()
		what += fmt.Sprintf(" (pool %s, GPU class %s)", s.pool(), s.class())
	}
	next := ""
	if s.toStart > 0 {
		c.Until = at(s.since.Add(s.toStart))
		next = ", or the time to wait for this class ends" + f.classAfter(s.class())
	}
	lost := ""
	if s.failure != nil && s.failure.lost {
		lost = " Its worker " + s.worker + " was lost."
	}
	switch {
	case s.served.Workers == 0 && s.served.Draining > 0:
		c.Code, c.Text = Draining, "All workers of "+what+" are draining: they take no new task."
		for _, n := range s.served.Notices {
			c.Text += " A host will be taken away: " + n + "."
		}
		c.Ends, c.Do = "another worker of the queue starts"+next, []string{start, "cogflow pools"}
	case s.served.Workers == 0:
		c.Code = NoWorker
		c.Text = fmt.Sprintf("No worker serves %s, and %s has waited for one for %s.%s", what, s.activity, format.Span(waited.Truncate(time.Second)), lost)
		if s.toStart == 0 && s.pool() == workflows.StemTrain {
			c.Text += " It is the last GPU class of the job, so no other is tried."
		}
		c.Ends, c.Do = "a worker of the queue starts"+next, []string{start, "cogflow pools", "cogflow cancel " + id}
	case s.served.Slots != nil && s.served.Slots.Free == 0 && s.served.Slots.Used > 0:
		c.Code = SlotsFull
		c.Text = fmt.Sprintf("All %d slots of %s are in use", s.served.Slots.Used, what)
		if s.served.Slots.Used == 1 {
			c.Text = "The only slot of " + what + " is in use"
		}
		if len(s.holders) > 0 {
			c.Text += " by " + names(s.holders)
		}
		c.Text += "."
		if allOwn(s.holders) {
			c.Code = OwnSlots
		}
		c.Ends, c.Do = "one of their steps ends"+next, append([]string{start, "cogflow pools"}, explainFirst(s.holders)...)
	case waited < freshFor:
		return c, false
	case s.served.Slots != nil && s.served.Slots.Free == 0 && len(s.served.Hosts) > 0 && s.pool() == workflows.StemTrain:
		c.Code = GPUAside
		c.Text = "All GPUs of the workers of " + what + " are ill and set aside, so no worker takes " + s.activity + "."
		c.Ends, c.Do = "one of them is well again, or another worker of the queue starts"+next, []string{"cogflow health", start, "cogflow pools"}
	default:
		c.Code = Queued
		c.Text = fmt.Sprintf("%s has waited for %s in %s, with %s before or beside it.", s.activity, format.Span(waited.Truncate(time.Second)), what, format.Count(int(s.served.Backlog), "task", "tasks"))
		c.Ends, c.Do = "a worker takes it"+next, []string{"cogflow pools", start}
	}
	return c, true
}

// classAfter says which GPU class a job tries after this one.
func (f facts) classAfter(class string) string {
	for i, c := range f.classes {
		if c == class && i+1 < len(f.classes) {
			return " and " + f.classes[i+1] + " is tried"
		}
	}
	return " and the next class is tried"
}

// names lists runs with the number of their steps.
func names(all []holder) string {
	const most = 3
	var names []string
	for _, h := range all[:min(most, len(all))] {
		name := h.id
		if h.steps > 1 {
			name += fmt.Sprintf(" (%d)", h.steps)
		}
		names = append(names, name)
	}
	if more := len(all) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

func allOwn(all []holder) bool {
	for _, h := range all {
		if !h.own {
			return false
		}
	}
	return len(all) > 0
}

func explainFirst(all []holder) []string {
	for _, h := range all {
		if !h.own {
			return []string{"cogflow explain " + quoted(h.id)}
		}
	}
	return nil
}

// ofStarted explains a step that a worker runs.
func (f facts) ofStarted(s step, c Cause) (Cause, bool) {
	last := s.beat
	if last.Before(s.since) {
		last = s.since
	}
	silent := f.now.Sub(last)
	overdue := s.beatTimeout > 0 && silent.Seconds() > overdueAfter*s.beatTimeout.Seconds() && silent < s.beatTimeout+clocksDiffer
	switch {
	case overdue:
		again := last.Add(s.beatTimeout)
		c.Code, c.Since, c.Until = WorkerLost, at(last), at(again)
		c.Text = fmt.Sprintf("The worker %s has sent no heartbeat of %s for %s.", s.worker, s.activity, format.Span(silent.Truncate(time.Second)))
		if s.workerGone {
			c.Text += " The server does not list the worker any more."
		}
		c.Ends, c.Do = "its heartbeat arrives, or the server gives the step to another worker", []string{"cogflow pools"}
		return c, true
	case s.workerDrains || s.workerLeaves != "":
		why := ""
		if s.workerLeaves != "" {
			why = " because its host will be taken away (" + s.workerLeaves + ")"
		}
		c.Code, c.Text = Draining, "The worker "+s.worker+" drains"+why+": "+s.activity+" ends, or stores what it has and continues on another worker."
		c.Ends, c.Do = "another worker continues it", []string{"cogflow pools", "cogflow watch " + quoted(f.id)}
		return c, true
	}
	if c, ok := f.ofSaid(s, c); ok {
		return c, true
	}
	if s.waiting != "" {
		c.Code, c.Text = Waiting, s.activity+" waits: "+s.waiting
		c.Ends, c.Do = "the wait ends by itself", []string{"cogflow watch " + quoted(f.id)}
		return c, true
	}
	return f.ofPace(s, c)
}
