package cli

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/cogniverse/cogflow/internal/cli/format"
)

// coldAfter is how long activities may wait for a worker before people are told.
const coldAfter = 3 * time.Second

// Cold is what a run waits for while none of its activities has a worker.
type Cold struct {
	Queue string // that no worker has taken a task from; empty = it does not wait
	For   time.Duration
}

// ColdStart says whether all pending activities of a run wait for a worker, such as one of a GPU
// class that is still booting, and for how long the first of them has. Waiting for a
// retry is not a cold start.
func ColdStart(pending []*workflowpb.PendingActivityInfo, now time.Time) Cold {
	var cold Cold
	for _, p := range pending {
		if p.GetState() != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED {
			return Cold{}
		}
		since, queue := p.GetScheduledTime(), p.GetActivityOptions().GetTaskQueue().GetName()
		if since == nil || queue == "" {
			continue
		}
		if waited := now.Sub(since.AsTime()); waited >= coldAfter && waited > cold.For {
			cold = Cold{Queue: queue, For: waited}
		}
	}
	return cold
}

// What names what is waited for; "" = nothing.
func (c Cold) What() string {
	if c.Queue == "" {
		return ""
	}
	return "a worker of queue " + c.Queue
}

// Waits completes the reason of a wait by how long it has lasted.
func (c Cold) Waits(reason string) string {
	if c.Queue == "" || reason != c.What() {
		return reason
	}
	return format.Span(c.For.Truncate(time.Second)) + " for " + reason
}
