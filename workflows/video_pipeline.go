package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// pipeline extracts, describes, embeds and indexes, each stage working on what
// the one before has finished. It returns when everything is indexed, when
// something failed, or, with nothing in flight, when the history is long enough.
func (r *videoRun) pipeline(ctx workflow.Context) error {
	if r.extraction == nil {
		r.tell(ctx, stageExtract)
	}
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	if r.extraction == nil {
		workflow.Go(ctx, r.extract)
	}
	if r.extracted() && !r.transcribed {
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
		chunk := r.next
		r.next++
		r.inFlight++
		r.describing++
		workflow.Go(ctx, func(ctx workflow.Context) { r.chunk(ctx, chunk) })
	}
	if r.failure == nil {
		return nil
	}
	// One stage failed: the others end before anything is cleaned up.
	cancel()
	free, _ := workflow.NewDisconnectedContext(ctx)
	if err := workflow.Await(free, func() bool { return r.inFlight == 0 && !r.indexing && !r.transcribing && r.extracted() }); err != nil {
		return err
	}
	return r.failure
}

// canStart: there is a chunk to describe, and room for it.
func (r *videoRun) canStart(ctx workflow.Context) bool {
	return r.next < r.available && r.describing < chunksInFlight && r.inFlight < 2*chunksInFlight &&
		!r.progress.Paused && !r.blocked && !r.mustContinue(ctx)
}

// drained: nothing is at work, and nothing more will be started in this run.
func (r *videoRun) drained(ctx workflow.Context) bool {
	return r.extracted() && r.transcribed && r.inFlight == 0 && len(r.embedded) == 0 && !r.indexing &&
		(r.next == r.available || r.mustContinue(ctx))
}

func (r *videoRun) extracted() bool { return r.extraction != nil }

func (r *videoRun) finished() bool { return r.extracted() && r.next == r.extraction.Chunks }

func (r *videoRun) fail(err error) {
	if r.failure == nil {
		r.failure = err
	}
}

func (r *videoRun) extract(ctx workflow.Context) {
	start := r.elapsed(ctx)
	out, err := call(r.media(ctx, "extract frames of "+r.name()), r.a.Extract,
		ingest.ExtractInput{VideoRef: r.ref(), URI: r.in.URI, Force: r.in.Force})
	r.extraction = &out
	if err != nil {
		r.progress.Stage = stageExtract
		r.fail(err)
		return
	}
	if r.available > out.Chunks {
		r.signals.Ignored = ingest.SignalExtracted + ": it named chunks that the video does not have"
		r.next = min(r.next, out.Chunks)
	}
	r.available, r.progress.Extracted, r.progress.Expected = out.Chunks, out.Frames, out.Frames
	r.took(video.StageTime{
		Name: stageExtract, Frames: out.Frames, BusyMS: r.elapsed(ctx) - start, StartMS: start, EndMS: r.elapsed(ctx),
	})
	if r.failure != nil {
		return
	}
	r.tell(ctx, r.firstModel())
	if !r.transcribed {
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
	defer func() { r.inFlight-- }()
	in := ingest.ChunkInput{VideoRef: r.ref(), Chunk: index, Job: r.job}
	if r.recipe.Describe != "" {
		described, err := r.model(ctx, stageDescribe, in)
		r.describing--
		if err != nil {
			return
		}
		r.progress.Described += described.Frames
		r.calls += described.Calls
		r.pay(ctx, described)
	}
	embedded, err := r.model(ctx, stageEmbed, in)
	if r.recipe.Describe == "" {
		r.describing--
	}
	if err != nil {
		return
	}
	r.progress.Embedded += embedded.Frames
	r.embedded = append(r.embedded, index)
	r.pay(ctx, embedded)
}

// pay adds what a model stage has cost.
func (r *videoRun) pay(ctx workflow.Context, done ingest.ChunkResult) {
	// The ledger knows more than this result: calls of attempts that were lost.
	if done.SpentMicroUSD != nil {
		r.micro = max(r.micro, *done.SpentMicroUSD)
	} else {
		r.micro += done.CostMicroUSD
	}
	r.refused += done.Refused
	r.progress.CostUSD = usd(r.micro)
	r.show(ctx)
}

// transcribe writes down what is said. Nothing is indexed before: a document
// holds the speech of its time.
func (r *videoRun) transcribe(ctx workflow.Context) {
	if r.extraction.AudioPieces == 0 {
		r.transcribed = true
		return
	}
	r.transcribing = true
	defer func() { r.transcribing = false }()
	summary := fmt.Sprintf("transcribe %s of %s", clock(time.Duration(r.extraction.DurationMS)*time.Millisecond), r.name())
	out, err := r.affordable(ctx, stageTranscribe, func(limit int64) (ingest.ChunkResult, error) {
		return callOnClass(ctx, r.caller, StemTranscribe, r.recipe.TranscribeGPU, r.recipe.GPUWait, summary, r.a.Transcribe,
			ingest.TranscribeInput{VideoRef: r.ref(), Job: r.job, LimitMicroUSD: limit})
	})
	if err == nil {
		r.transcribed = true
		r.pay(ctx, out)
	}
}

// model runs one model stage of a chunk.
func (r *videoRun) model(ctx workflow.Context, stage string, in ingest.ChunkInput) (ingest.ChunkResult, error) {
	stem, classes, activity := StemDescribe, r.recipe.DescribeGPU, r.a.DescribeChunk
	if stage == stageEmbed {
		stem, classes, activity = StemEmbed, r.recipe.EmbedGPU, r.a.EmbedChunk
	}
	from := in.Chunk * r.recipe.ChunkFrames
	summary := fmt.Sprintf("%s frames %d–%d %s, %s", stage, from,
		min(from+r.recipe.ChunkFrames, max(r.progress.Expected, from+1))-1, r.total(), r.name())
	return r.affordable(ctx, stage, func(limit int64) (ingest.ChunkResult, error) {
		in.LimitMicroUSD = limit
		out, err := callOnClass(ctx, r.caller, stem, classes, r.recipe.GPUWait, summary, activity, in)
		if classOf(err) == activities.ErrorType && r.noChunk(ctx, in.Chunk) {
			err = errNoChunk
		}
		return out, err
	})
}

// errNoChunk: a signal said that there is a chunk, and extraction has made none.
var errNoChunk = errors.New("the video has no such chunk")

// noChunk reports whether a chunk that cannot be worked on is none. Extraction says so.
func (r *videoRun) noChunk(ctx workflow.Context, chunk int) bool {
	return workflow.GetVersion(ctx, "chunks-of-signals", workflow.DefaultVersion, 1) >= 1 &&
		workflow.Await(ctx, r.extracted) == nil && r.failure == nil && chunk >= r.extraction.Chunks
}

// affordable runs a model stage within the budget and waits out a used-up one.
func (r *videoRun) affordable(ctx workflow.Context, stage string, run func(limitMicroUSD int64) (ingest.ChunkResult, error)) (ingest.ChunkResult, error) {
	for {
		limit := micro(r.budget)
		start := r.elapsed(ctx)
		out, err := run(limit)
		if err == nil {
			r.took(video.StageTime{
				Name: stage, Frames: out.Frames, Calls: out.Calls, BusyMS: out.BusyMS,
				StartMS: start, EndMS: r.elapsed(ctx),
			})
			return out, nil
		}
		if errors.Is(err, errNoChunk) {
			return out, err
		}
		if classOf(err) != string(fault.Budget) {
			r.failedIn(stage, err)
			return out, err
		}
		if err := r.awaitBudget(ctx, limit); err != nil {
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

// awaitBudget pauses until the limit is no longer the one that was reached.
func (r *videoRun) awaitBudget(ctx workflow.Context, reached int64) error {
	r.progress.Waiting = string(fault.Budget)
	r.show(ctx)
	err := workflow.Await(ctx, func() bool { return micro(r.budget) != reached })
	r.progress.Waiting = ""
	return err
}

// indexer indexes whatever is embedded, several chunks at once when it lags.
func (r *videoRun) indexer(ctx workflow.Context) {
	for {
		if workflow.Await(ctx, func() bool { return len(r.embedded) > 0 && r.transcribed }) != nil {
			return
		}
		chunks := r.embedded
		r.embedded, r.indexing = nil, true
		start := r.elapsed(ctx)
		var out ingest.ChunkResult
		err := r.whenRoom(ctx, roomInIndex, func() (err error) {
			out, err = call(r.feed(ctx, fmt.Sprintf("index %d chunks of %s", len(chunks), r.name())), r.a.IndexChunks,
				ingest.IndexInput{VideoRef: r.ref(), Chunks: chunks})
			return err
		})
		r.indexing = false
		if err != nil {
			r.failedIn(stageIndex, err)
			return
		}
		r.progress.Indexed += out.Frames
		r.took(video.StageTime{
			Name: stageIndex, Frames: out.Frames, BusyMS: out.BusyMS, StartMS: start, EndMS: r.elapsed(ctx),
		})
		r.show(ctx)
	}
}

// roomInIndex is what a run waits for that cannot feed the index.
const roomInIndex = "room in the index"

// whenRoom does a step that needs room, as people know it, in the index. One without
// is no failure: the run starts nothing new, says so where people look, and tries
// again until there is room. The server must not retry the step for want of room.
func (r *videoRun) whenRoom(ctx workflow.Context, room string, step func() error) error {
	for wait := blockedAtFirst; ; wait = min(2*wait, blockedAtMost) {
		err := step()
		if classOf(err) != string(fault.Capacity) {
			if r.blocked {
				r.blocked, r.progress.Waiting = false, ""
				r.tell(ctx, r.progress.Stage)
			}
			return err
		}
		if !r.blocked {
			r.blocked = true
			if err := story(ctx, stageBlocked, 0, usd(r.micro)); err != nil {
				return err
			}
		}
		r.progress.Waiting = room + ": " + reason(err)
		r.show(ctx)
		if err := workflow.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (r *videoRun) took(s video.StageTime) {
	r.stages = video.MergeStages(r.stages, []video.StageTime{s})
}

// elapsed counts milliseconds since the first run of the chain began.
func (r *videoRun) elapsed(ctx workflow.Context) int64 {
	return workflow.Now(ctx).Sub(r.progress.Started).Milliseconds()
}

// mustContinue: the history is long enough for one run.
func (r *videoRun) mustContinue(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() > maxEvents
}

func (r *videoRun) continueAsNew(ctx workflow.Context) error {
	if err := settleDown(ctx); err != nil {
		return err
	}
	in := videoContinuation{videoOfLibrary: videoOfLibrary{IngestVideoInput: r.in, Library: r.library}}
	in.BudgetUSD = r.budget
	in.Resume = &videoResume{
		Recipe: r.recipe, Source: r.source, Claim: r.claim, Extraction: *r.extraction,
		Next: r.next, Indexed: r.progress.Indexed, Calls: r.calls, CostMicro: r.micro, Refused: r.refused,
		Stages: r.stages, Started: r.progress.Started, Paused: r.progress.Paused, Transcribed: r.transcribed,
	}
	return workflow.NewContinueAsNewError(ctx, "IngestVideo", in)
}

func (r *videoRun) restore(s videoResume) {
	r.recipe, r.source, r.claim, r.extraction = s.Recipe, s.Source, s.Claim, &s.Extraction
	r.next, r.available, r.calls, r.micro, r.stages = s.Next, s.Extraction.Chunks, s.Calls, s.CostMicro, s.Stages
	p := &r.progress
	r.refused = s.Refused
	r.transcribed = s.Transcribed || s.Recipe.Transcribe == ""
	p.Name, p.Video, p.Profile, p.Stage = s.Source.Name, string(s.Source.Video), s.Recipe.Profile, r.firstModel()
	p.Expected, p.Extracted, p.Started, p.Paused = s.Extraction.Frames, s.Extraction.Frames, s.Started, s.Paused
	p.Described, p.Embedded, p.Indexed, p.CostUSD = s.Indexed, s.Indexed, s.Indexed, usd(s.CostMicro)
}
