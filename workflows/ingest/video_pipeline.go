package ingest

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// pipeline extracts, describes, embeds and indexes; each stage works on what the previous
// one has finished. It returns when everything is indexed, when a stage failed, or, with
// nothing in flight, when the history is long enough.
func (r *videoRun) pipeline(ctx workflow.Context) error {
	if r.extraction == nil {
		r.setStage(ctx, stageExtract)
	}
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	if r.extraction == nil {
		workflow.Go(ctx, r.extract)
	}
	if r.at.extracted && !r.at.transcribed {
		workflow.Go(ctx, r.transcribe)
	}
	workflow.Go(ctx, r.indexer)
	for {
		err := workflow.Await(ctx, func() bool { return r.failure != nil || r.canStart(ctx) || r.drained(ctx) })
		if err != nil {
			r.fail(err)
		}
		if r.failure != nil || !r.canStart(ctx) {
			break
		}
		chunk := r.at.start()
		workflow.Go(ctx, func(ctx workflow.Context) { r.chunk(ctx, chunk) })
	}
	if r.failure == nil {
		return nil
	}
	// One stage failed: the others end before anything is cleaned up.
	cancel()
	free, _ := workflow.NewDisconnectedContext(ctx)
	if err := workflow.Await(free, r.at.still); err != nil {
		return err
	}
	return r.failure
}

// canStart reports whether this run is to describe a chunk now.
func (r *videoRun) canStart(ctx workflow.Context) bool {
	return r.at.canStart() && !r.Paused && !r.blocked && !job.MustContinue(ctx)
}

// drained reports whether nothing is in progress and this run starts nothing more.
func (r *videoRun) drained(ctx workflow.Context) bool {
	return r.at.idle(job.MustContinue(ctx))
}

func (r *videoRun) finished() bool { return r.at.extracted && r.at.next == r.extraction.Chunks }

func (r *videoRun) fail(err error) {
	if r.failure == nil {
		r.failure = err
	}
}

func (r *videoRun) extract(ctx workflow.Context) {
	start := r.Elapsed(ctx).Milliseconds()
	out, err := workflows.Call(r.Media(ctx, "extract frames of "+r.name()), r.a.Extract,
		ingest.ExtractInput{VideoRef: r.ref(), URI: r.in.URI, Force: r.in.Force})
	r.extraction, r.at.extracted, r.at.speechApart = &out, true, out.SpeechApart
	if err != nil {
		r.progress.Stage = stageExtract
		r.fail(err)
		return
	}
	if !r.at.extract(out.Chunks) {
		r.Signals.Ignored = ingest.SignalExtracted + ": it named chunks that the video does not have"
	}
	r.progress.Extracted, r.progress.Expected = out.Frames, out.Frames
	r.took(video.StageTime{
		Name: stageExtract, Frames: out.Frames, BusyMS: r.Elapsed(ctx).Milliseconds() - start, StartMS: start, EndMS: r.Elapsed(ctx).Milliseconds(),
	})
	if r.failure != nil {
		return
	}
	r.setStage(ctx, r.firstModel())
	if !r.at.transcribed {
		workflow.Go(ctx, r.transcribe)
	}
}

// firstModel is the stage that follows extraction.
func (r *videoRun) firstModel() string {
	if r.recipe.Describe == "" {
		return stageEmbed
	}
	return stageDescribe
}

// chunk describes and embeds one chunk.
func (r *videoRun) chunk(ctx workflow.Context, index int) {
	defer func() { r.at.inFlight-- }()
	in := ingest.ChunkInput{VideoRef: r.ref(), Chunk: index, Job: r.job}
	if r.recipe.Describe != "" {
		described, err := r.model(ctx, stageDescribe, in)
		r.at.describing--
		if err != nil {
			return
		}
		r.progress.Described += described.Frames
		r.calls += described.Calls
		r.pay(ctx, described)
	}
	embedded, err := r.model(ctx, stageEmbed, in)
	if r.recipe.Describe == "" {
		r.at.describing--
	}
	if err != nil {
		return
	}
	r.progress.Embedded += embedded.Frames
	r.at.embedded = append(r.at.embedded, index)
	r.pay(ctx, embedded)
}

// pay adds the cost of a model stage.
func (r *videoRun) pay(ctx workflow.Context, done ingest.ChunkResult) {
	// The ledger knows more than this result: calls of attempts that were lost.
	if done.SpentMicroUSD != nil {
		r.micro = max(r.micro, *done.SpentMicroUSD)
	} else {
		r.micro += done.CostMicroUSD
	}
	r.refused += done.Refused
	r.unusable = outcome.Merge(r.unusable, done.Unusable)
	r.progress.CostUSD = workflows.USD(r.micro)
	r.showDetails(ctx)
}

// model runs one model stage of a chunk.
func (r *videoRun) model(ctx workflow.Context, stage string, in ingest.ChunkInput) (ingest.ChunkResult, error) {
	stem, classes, activity := workflows.StemDescribe, r.recipe.DescribeGPU, r.a.DescribeChunk
	if stage == stageEmbed {
		stem, classes, activity = workflows.StemEmbed, r.recipe.EmbedGPU, r.a.EmbedChunk
	}
	from, until := video.ChunkStart(r.recipe.ChunkFrames, in.Chunk), video.ChunkStart(r.recipe.ChunkFrames, in.Chunk+1)
	summary := fmt.Sprintf("%s frames %d–%d %s, %s", stage, from,
		min(until, max(r.progress.Expected, from+1))-1, r.total(), r.name())
	return r.affordable(ctx, stage, func(limit int64) (ingest.ChunkResult, error) {
		in.LimitMicroUSD = limit
		out, err := workflows.CallOnClass(ctx, r.Caller, stem, classes, r.recipe.GPUWait, summary, activity, in)
		if workflows.ClassOf(err) == activities.ErrorType && r.noChunk(ctx, in.Chunk) {
			err = errNoChunk
		}
		return out, err
	})
}

// errNoChunk: a signal announced a chunk that extraction did not make.
var errNoChunk = errors.New("the video has no such chunk")

// noChunk reports whether a chunk that failed does not exist. The end of extraction tells.
func (r *videoRun) noChunk(ctx workflow.Context, chunk int) bool {
	return workflow.GetVersion(ctx, "chunks-of-signals", workflow.DefaultVersion, 1) >= 1 &&
		workflow.Await(ctx, func() bool { return r.at.extracted }) == nil && r.failure == nil && chunk >= r.extraction.Chunks
}

// affordable runs a model stage within the budget, and waits while the budget is used up.
func (r *videoRun) affordable(ctx workflow.Context, stage string, run func(limitMicroUSD int64) (ingest.ChunkResult, error)) (ingest.ChunkResult, error) {
	for times := 0; ; times++ {
		limit, news := workflows.MicroUSD(r.Budget), r.News
		start := r.Elapsed(ctx).Milliseconds()
		out, err := run(limit)
		if err == nil {
			r.took(video.StageTime{
				Name: stage, Frames: out.Frames, Calls: out.Calls, BusyMS: out.BusyMS,
				StartMS: start, EndMS: r.Elapsed(ctx).Milliseconds(),
			})
			return out, nil
		}
		if errors.Is(err, errNoChunk) {
			return out, err
		}
		if workflows.ClassOf(err) != string(fault.Budget) {
			r.failedIn(stage, err)
			return out, err
		}
		why := job.Unpaid{By: workflows.BlockedBy(err), News: news, Times: times}
		if err := r.AwaitBudget(ctx, why, func() bool { return workflows.MicroUSD(r.Budget) != limit }); err != nil {
			r.fail(err)
			return out, err
		}
	}
}

// failedIn notes the first failure and the stage it happened in.
func (r *videoRun) failedIn(stage string, err error) {
	if !temporal.IsCanceledError(err) && r.failure == nil {
		r.progress.Stage = stage
	}
	r.fail(err)
}

// indexer indexes the embedded chunks, several at once when it lags.
func (r *videoRun) indexer(ctx workflow.Context) {
	for {
		if workflow.Await(ctx, r.at.canIndex) != nil {
			return
		}
		chunks := r.at.index()
		start := r.Elapsed(ctx).Milliseconds()
		var out ingest.ChunkResult
		err := r.whenRoom(ctx, roomInIndex, func() (err error) {
			out, err = workflows.Call(r.Feed(ctx, fmt.Sprintf("index %d chunks of %s", len(chunks), r.name())), r.a.IndexChunks,
				ingest.IndexInput{VideoRef: r.ref(), Chunks: chunks})
			return err
		})
		r.at.indexing = false
		if err != nil {
			r.failedIn(stageIndex, err)
			return
		}
		r.progress.Indexed += out.Frames
		r.took(video.StageTime{
			Name: stageIndex, Frames: out.Frames, BusyMS: out.BusyMS, StartMS: start, EndMS: r.Elapsed(ctx).Milliseconds(),
		})
		r.showDetails(ctx)
	}
}

// roomInIndex is the reason that a run shows while the index is full.
const roomInIndex = "room in the index"

// whenRoom runs a step that needs room in the index, which room names for people. A full
// index is not a failure: the run starts nothing new, shows why, and tries again until
// there is room. The server must not retry the step for lack of room.
func (r *videoRun) whenRoom(ctx workflow.Context, room string, step func() error) error {
	for wait := workflows.BlockedAtFirst; ; wait = min(2*wait, workflows.BlockedAtMost) {
		err := step()
		if workflows.ClassOf(err) != string(fault.Capacity) {
			if r.blocked {
				r.blocked, r.Waiting = false, ""
				r.setStage(ctx, r.progress.Stage)
			}
			return err
		}
		if !r.blocked {
			r.blocked = true
			if err := workflows.SetStage(ctx, stageBlocked, 0, workflows.USD(r.micro)); err != nil {
				return err
			}
		}
		r.Waiting = room + ": " + workflows.Reason(err)
		r.showDetails(ctx)
		if err := workflow.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (r *videoRun) took(s video.StageTime) {
	r.times = video.MergeStages(r.times, []video.StageTime{s})
}
