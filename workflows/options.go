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

	// MaxEvents is where a run continues as new, safely below the 4,096 at
	// which the server asks for it.
	MaxEvents = 3000
	// MaxHandedOn is how large the input of a continued run may be, below the 2 MiB that
	// the server takes in one payload. A library waits until it is in flight with less.
	MaxHandedOn = 3 << 19 // bytes
	// ChunksInFlight is how many chunks of one video are described at a time:
	// enough to keep 64 calls in flight when some of the frames are stored.
	ChunksInFlight = 4
	// How long a run waits before it tries an index without room again: first
	// and, doubling, at most. An outage of a day adds some thousand events.
	BlockedAtFirst = 30 * time.Second
	BlockedAtMost  = 10 * time.Minute
	// LookAfter is how often children of former runs are looked after.
	LookAfter = 30 * time.Second
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

// Caller carries what every activity of a run is scheduled with.
type Caller struct {
	Priority temporal.Priority
}

// NewCaller is the caller of a run with an input.
func NewCaller(c Common) Caller {
	return Caller{temporal.Priority{PriorityKey: c.Priority, FairnessKey: c.Tenant}}
}

// with sets the options of an activity. All of them send heartbeats, see
// activities.Lifecycle: timeout is what ends one that hangs.
func (c Caller) with(ctx workflow.Context, queue, summary string, timeout time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           queue,
		StartToCloseTimeout: timeout,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retry(),
		WaitForCancellation: true, // a cancelled run ends after its processes have
		Summary:             summary,
		Priority:            c.Priority,
	})
}

// Metadata reads or writes a few small objects.
func (c Caller) Metadata(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueMain, summary, metadataTimeout)
}

// Listing lists a source.
func (c Caller) Listing(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueMedia, summary, listTimeout)
}

// Media reads or writes whole files.
func (c Caller) Media(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueMedia, summary, mediaTimeout)
}

// Index changes the search index.
func (c Caller) Index(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueIndex, summary, indexTimeout)
}

// Feed writes to the index. Of an index without room the run itself hears.
func (c Caller) Feed(ctx workflow.Context, summary string) workflow.Context {
	ctx = c.Index(ctx, summary)
	options := workflow.GetActivityOptions(ctx)
	options.RetryPolicy.NonRetryableErrorTypes = []string{string(fault.Capacity)}
	return workflow.WithActivityOptions(ctx, options)
}

// Lookup is a short step of the index: a claim, a search.
func (c Caller) Lookup(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueIndex, summary, metadataTimeout)
}

// model schedules on one GPU class. Every class but the last gives up when no
// worker takes the task within wait; the retry policy never retries that.
func (c Caller) model(ctx workflow.Context, stem, class, summary string, wait time.Duration) workflow.Context {
	ctx = c.with(ctx, ClassQueue(stem, class), summary, modelTimeout)
	options := workflow.GetActivityOptions(ctx)
	options.ScheduleToStartTimeout = wait
	return workflow.WithActivityOptions(ctx, options)
}

// Train schedules a training process; see model about wait.
func (c Caller) Train(ctx workflow.Context, class, summary string, wait time.Duration) workflow.Context {
	ctx = c.with(ctx, ClassQueue(StemTrain, class), summary, trainTimeout)
	options := workflow.GetActivityOptions(ctx)
	options.ScheduleToStartTimeout = wait
	return workflow.WithActivityOptions(ctx, options)
}

// Asking has language models answer, waiting out overloaded ones.
func (c Caller) Asking(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueLM, summary, modelTimeout)
}

// Copying moves weights within the store.
func (c Caller) Copying(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueMain, summary, copyTimeout)
}

// Child starts an IngestVideo run that outlives continue-as-new of its library.
func (c Caller) Child(ctx workflow.Context, id, summary, details string, attributes temporal.SearchAttributes) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            id,
		TaskQueue:             QueueMain,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		WaitForCancellation:   true,
		StaticSummary:         summary,
		StaticDetails:         details,
		TypedSearchAttributes: attributes,
		Priority:              c.Priority,
	})
}
