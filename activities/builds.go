package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/fault"
)

// How often a task goes back that another build would do exactly as its run was
// begun, and after how long it comes again. While two builds share a queue, such
// a worker takes it within a few tries; after an upgrade there is none, and a
// longer wait would help nobody.
const (
	HandBacks    = 12
	handBackWait = 1500 * time.Millisecond
)

// aloneFor is how long a worker that waited in vain takes such tasks at once.
const aloneFor = 10 * time.Minute

// OtherBuilds is what a worker knows of those that share its queues. The zero
// value knows nothing.
type OtherBuilds struct {
	absent sync.Map // what runs are pinned to and nobody else has → time.Time of finding out
}

// HandBack gives a task to another worker because its run is pinned to something
// that this build does not have. It returns nil when nobody who has it took the
// task, so that an upgrade or a rollback never stops a run.
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

// Alone notes that no other worker has what a run is pinned to, for a while.
func (o *OtherBuilds) Alone(pinned string) { o.absent.Store(pinned, time.Now()) }

// Elsewhere says that only a worker of another build can do a task.
func Elsewhere(op, subject, pinned string) error {
	return &fault.Error{
		Class: fault.Preempted, Op: op, Subject: subject, RetryAfter: handBackWait,
		Reason: fmt.Sprintf("the run was started with %s, which this build of the worker does not have; "+
			"waiting for a worker of the build that began it", pinned),
	}
}
