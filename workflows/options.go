package workflows

import (
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
)

// All timeouts, heartbeats and retries are on this page. Which errors are
// retried at all, and how often, is decided by their class: activities/errors.go.
const (
	heartbeatTimeout = 10 * time.Second // a dead worker is noticed after this
	metadataTimeout  = time.Minute      // reads or writes a few small objects
	mediaTimeout     = 24 * time.Hour   // hashing and decoding the longest video
	modelTimeout     = 6 * time.Hour    // a chunk, waiting out an overloaded model
	indexTimeout     = time.Hour
	listTimeout      = 6 * time.Hour   // a million names
	healthWait       = 3 * time.Second // a pool that takes nothing within this is absent
	// trainTimeout bounds one attempt of training; a longer one goes on in the next.
	trainTimeout = 30 * 24 * time.Hour
	copyTimeout  = 12 * time.Hour // copies the weights of a model within the store

	// maxEvents is where a run continues as new, safely below the 4,096 at
	// which the server asks for it.
	maxEvents = 3000
	// maxHandedOn is how large the input of a continued run may be, below the 2 MiB that
	// the server takes in one payload. A library waits until it is in flight with less.
	maxHandedOn = 3 << 19 // bytes
	// chunksInFlight is how many chunks of one video are described at a time:
	// enough to keep 64 calls in flight when some of the frames are stored.
	chunksInFlight = 4
	// How long a run waits before it tries an index without room again: first
	// and, doubling, at most. An outage of a day adds some thousand events.
	blockedAtFirst = 30 * time.Second
	blockedAtMost  = 10 * time.Minute
	// lookAfter is how often children of former runs are looked after.
	lookAfter = 30 * time.Second
)

// retry never gives up by count: input, auth and budget errors are not retried,
// others end by their class or last until the world changes.
func retry() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    time.Second,
		BackoffCoefficient: 2,
		MaximumInterval:    time.Minute,
	}
}

// caller carries what every activity of a run is scheduled with.
type caller struct {
	priority temporal.Priority
}

func newCaller(c Common) caller {
	return caller{temporal.Priority{PriorityKey: c.Priority, FairnessKey: c.Tenant}}
}

// with sets the options of an activity. All of them send heartbeats, see
// activities.Lifecycle: timeout is what ends one that hangs.
func (c caller) with(ctx workflow.Context, queue, summary string, timeout time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           queue,
		StartToCloseTimeout: timeout,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retry(),
		WaitForCancellation: true, // a cancelled run ends after its processes have
		Summary:             summary,
		Priority:            c.priority,
	})
}

func (c caller) metadata(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueMain, summary, metadataTimeout)
}

func (c caller) listing(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueMedia, summary, listTimeout)
}

func (c caller) media(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueMedia, summary, mediaTimeout)
}

func (c caller) index(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueIndex, summary, indexTimeout)
}

// feed writes to the index. Of an index without room the run itself hears.
func (c caller) feed(ctx workflow.Context, summary string) workflow.Context {
	ctx = c.index(ctx, summary)
	options := workflow.GetActivityOptions(ctx)
	options.RetryPolicy.NonRetryableErrorTypes = []string{string(fault.Capacity)}
	return workflow.WithActivityOptions(ctx, options)
}

// lookup is a short step of the index: a claim, a search.
func (c caller) lookup(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueIndex, summary, metadataTimeout)
}

// model schedules on one GPU class. Every class but the last gives up when no
// worker takes the task within wait; the retry policy never retries that.
func (c caller) model(ctx workflow.Context, stem, class, summary string, wait time.Duration) workflow.Context {
	ctx = c.with(ctx, ClassQueue(stem, class), summary, modelTimeout)
	options := workflow.GetActivityOptions(ctx)
	options.ScheduleToStartTimeout = wait
	return workflow.WithActivityOptions(ctx, options)
}

// train schedules a training process; see model about wait.
func (c caller) train(ctx workflow.Context, class, summary string, wait time.Duration) workflow.Context {
	ctx = c.with(ctx, ClassQueue(StemTrain, class), summary, trainTimeout)
	options := workflow.GetActivityOptions(ctx)
	options.ScheduleToStartTimeout = wait
	return workflow.WithActivityOptions(ctx, options)
}

// asking has language models answer, waiting out overloaded ones.
func (c caller) asking(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueLM, summary, modelTimeout)
}

// copying moves weights within the store.
func (c caller) copying(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueMain, summary, copyTimeout)
}

// child starts an IngestVideo run that outlives continue-as-new of its library.
func (c caller) child(ctx workflow.Context, id, summary, details string, attributes temporal.SearchAttributes) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            id,
		TaskQueue:             QueueMain,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		WaitForCancellation:   true,
		StaticSummary:         summary,
		StaticDetails:         details,
		TypedSearchAttributes: attributes,
		Priority:              c.priority,
	})
}
