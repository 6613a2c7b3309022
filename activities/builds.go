package activities

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/fault"
)

// A run is pinned to what its first build had. How often a task that this build would do
// differently goes back to the queue, and the delay. While two builds share a queue, a
// worker of the right build takes it within a few tries; after an upgrade there is none,
// and a longer wait is of no use.
const (
	HandBacks    = 12
	handBackWait = 1500 * time.Millisecond
)

// aloneFor is how long a worker takes such tasks at once after no other worker took one.
const aloneFor = 10 * time.Minute

// OtherBuilds is what a worker knows of the other builds on its queues. The zero value
// knows nothing.
type OtherBuilds struct {
	absent sync.Map // what runs are pinned to and no other worker has → time.Time when that was found
}

// HandBack gives a task to another worker because its run is pinned to something that this
// build does not have. It returns nil when no worker that has it took the task, so that an
// upgrade or a rollback never stops a run.
func (o *OtherBuilds) HandBack(ctx context.Context, op, subject, pinned string) error {
	if last, ok := o.absent.Load(pinned); ok && time.Since(last.(time.Time)) < aloneFor {
		return nil
	}
	if activity.GetInfo(ctx).Attempt > HandBacks {
		o.Alone(pinned)
		return nil
	}
	return Elsewhere(op, subject, pinned)
}

// Alone records for a while that no other worker has what a run is pinned to.
func (o *OtherBuilds) Alone(pinned string) { o.absent.Store(pinned, time.Now()) }

// Elsewhere is the fault of a task that only a worker of another build can do.
func Elsewhere(op, subject, pinned string) error {
	return &fault.Error{
		Class: fault.Preempted, Op: op, Subject: subject, RetryAfter: handBackWait,
		Reason: fmt.Sprintf("the run was started with %s, %s", pinned, otherBuild),
	}
}

const otherBuild = "which this build of the worker does not have; waiting for a worker of the build that began it"

// OtherBuild reports whether a failure is that of Elsewhere.
func OtherBuild(failure string) bool { return strings.Contains(failure, otherBuild) }
