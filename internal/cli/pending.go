package cli

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/cogniverse/cogflow/internal/cli/format"
)

// coldAfter is the time for which activities wait for a worker before the wait is shown.
const coldAfter = 3 * time.Second

// Cold is the wait of a run while none of its activities has a worker.
type Cold struct {
	Queue string // task queue without a worker; empty = no wait
	For   time.Duration
}

// ColdStart returns the longest wait if all pending activities of a run wait for a worker,
// such as one on a GPU machine that is still booting. A wait for a retry is not a cold start.
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

// What is the reason of the wait; "" = no wait.
func (c Cold) What() string {
	if c.Queue == "" {
		return ""
	}
	return "a worker of queue " + c.Queue
}

// Waits adds the duration of the wait to its reason.
func (c Cold) Waits(reason string) string {
	if c.Queue == "" || reason != c.What() {
		return reason
	}
	return format.Span(c.For.Truncate(time.Second)) + " for " + reason
}
