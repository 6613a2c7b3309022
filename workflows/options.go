package workflows

import (
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
)

// All timeouts, heartbeats and retry policies are in this file. Which errors are retried,
// and how often, is decided by their class: see activities/errors.go.
const (
	heartbeatTimeout = 10 * time.Second // a dead worker is noticed after this time
	metadataTimeout  = time.Minute      // reads or writes a few small objects
	mediaTimeout     = 24 * time.Hour   // hashing and decoding the longest video
	modelTimeout     = 6 * time.Hour    // a chunk, including the wait for an overloaded model
	indexTimeout     = time.Hour
	listTimeout      = 6 * time.Hour   // a million names
	healthWait       = 3 * time.Second // a pool that takes no task within this time is absent
	// trainTimeout bounds one attempt of training; a longer one goes on in the next.
	trainTimeout = 30 * 24 * time.Hour
	// releaseTimeout bounds the release of a model server, which drains for a minute at most.
	releaseTimeout = 5 * time.Minute
	copyTimeout    = 12 * time.Hour // copies the weights of a model within the store

	// MaxEvents is where a run continues as new, safely below the 4,096 at
	// which the server asks for it.
	MaxEvents = 3000
	// MaxHandedOn is the maximum size of the input of a continued run, below the server's
	// limit of 2 MiB for one payload. A library waits until what is in flight fits into it.
	MaxHandedOn = 3 << 19 // bytes
	// ChunksInFlight is how many chunks of one video are described concurrently: enough to
	// keep 64 calls in flight when some of the frames are stored already.
	ChunksInFlight = 4
	// How long a run waits before it tries a full index again: the first wait, doubled up
	// to the maximum. An outage of a day adds some thousand events.
	BlockedAtFirst = 30 * time.Second
	BlockedAtMost  = 10 * time.Minute
	// LookAfter is how often a run checks the children that former runs started.
	LookAfter = 30 * time.Second
)

// retry has no maximum of attempts: input, auth and budget errors are not retried, the
// others end by their class or are retried until the cause is fixed.
func retry() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    time.Second,
		BackoffCoefficient: 2,
		MaximumInterval:    time.Minute,
	}
}

// Caller carries the options that every activity of a run is scheduled with.
type Caller struct {
	Priority temporal.Priority

	unserved map[string]time.Time // queues that had no worker, and when the run noticed it
}

// NewCaller is the caller of a run with the given input.
func NewCaller(c Common) Caller {
	return Caller{temporal.Priority{PriorityKey: c.Priority, FairnessKey: c.Tenant}, map[string]time.Time{}}
}

// with sets the options of an activity. All of them send heartbeats, see
// activities.Lifecycle; timeout ends an activity that hangs.
func (c Caller) with(ctx workflow.Context, queue, summary string, timeout time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           queue,
		StartToCloseTimeout: timeout,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retry(),
		WaitForCancellation: true, // a cancelled run ends only after its processes have ended
		Summary:             summary,
		Priority:            c.Priority,
	})
}

// Metadata reads or writes a few small objects.
func (c Caller) Metadata(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueMain, summary, metadataTimeout)
}

// Measuring computes over a whole dataset where metadata are read.
func (c Caller) Measuring(ctx workflow.Context, summary string) workflow.Context {
	return c.with(ctx, QueueMain, summary, indexTimeout)
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

// Feed writes to the index. The server does not retry a full index: the run waits and shows
// it.
func (c Caller) Feed(ctx workflow.Context, summary string) workflow.Context {
	ctx = c.Index(ctx, summary)
	options := workflow.GetActivityOptions(ctx)
	options.RetryPolicy.NonRetryableErrorTypes = []string{string(fault.Capacity)}
	return workflow.WithActivityOptions(ctx, options)
}

// Lookup is a short step of the index: a claim or a search.
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

// Train schedules a training process; see model for wait.
func (c Caller) Train(ctx workflow.Context, class, summary string, wait time.Duration) workflow.Context {
	ctx = c.with(ctx, ClassQueue(StemTrain, class), summary, trainTimeout)
	options := workflow.GetActivityOptions(ctx)
	options.ScheduleToStartTimeout = wait
	return workflow.WithActivityOptions(ctx, options)
}

// Asking schedules calls of language models, including the wait for overloaded ones.
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
		Memo:                  map[string]any{MemoName: summary},
		TypedSearchAttributes: attributes,
		Priority:              c.Priority,
	})
}

// host asks one worker process. Nothing is tried again: the process may have ended, and a person
// waits for the answer.
func (c Caller) host(ctx workflow.Context, queue string, timeout time.Duration) workflow.Context {
	ctx = c.with(ctx, queue, "ask "+queue, timeout)
	options := workflow.GetActivityOptions(ctx)
	options.ScheduleToStartTimeout, options.RetryPolicy = healthWait, &temporal.RetryPolicy{MaximumAttempts: 1}
	return workflow.WithActivityOptions(ctx, options)
}
