package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
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
	if err := workflow.Await(free, func() bool { return r.inFlight == 0 && !r.indexing && r.extracted() }); err != nil {
		return err
	}
	return r.failure
}

// canStart: there is a chunk to describe, and room for it.
func (r *videoRun) canStart(ctx workflow.Context) bool {
	return r.next < r.available && r.describing < chunksInFlight && r.inFlight < 2*chunksInFlight && !r.progress.Paused && !r.mustContinue(ctx)
}

// drained: nothing is at work, and nothing more will be started in this run.
func (r *videoRun) drained(ctx workflow.Context) bool {
	return r.extracted() && r.inFlight == 0 && len(r.embedded) == 0 && !r.indexing &&
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
		activities.ExtractInput{VideoRef: r.ref(), URI: r.in.URI, Force: r.in.Force})
	r.extraction = &out
	if err != nil {
		r.progress.Stage = stageExtract
		r.fail(err)
		return
	}
	r.available, r.progress.Extracted, r.progress.Expected = out.Chunks, out.Frames, out.Frames
	r.took(video.StageTime{
		Name: stageExtract, Frames: out.Frames, BusyMS: r.elapsed(ctx) - start, StartMS: start, EndMS: r.elapsed(ctx),
	})
	if r.failure == nil {
		r.tell(ctx, stageDescribe)
	}
}

// chunk describes and embeds one chunk.
func (r *videoRun) chunk(ctx workflow.Context, index int) {
	defer func() { r.inFlight-- }()
	in := activities.ChunkInput{VideoRef: r.ref(), Chunk: index, Job: r.job}
	described, err := r.model(ctx, stageDescribe, in)
	r.describing--
	if err != nil {
		return
	}
	r.progress.Described += described.Frames
	r.calls += described.Calls
	r.micro += described.CostMicroUSD
	r.progress.CostUSD = usd(r.micro)
	r.show(ctx)
	embedded, err := r.model(ctx, stageEmbed, in)
	if err != nil {
		return
	}
	r.progress.Embedded += embedded.Frames
	r.embedded = append(r.embedded, index)
	r.show(ctx)
}

// model runs one model stage of a chunk and waits out a used-up budget.
func (r *videoRun) model(ctx workflow.Context, stage string, in activities.ChunkInput) (activities.ChunkResult, error) {
	stem, classes, activity := StemDescribe, r.recipe.DescribeGPU, r.a.DescribeChunk
	if stage == stageEmbed {
		stem, classes, activity = StemEmbed, r.recipe.EmbedGPU, r.a.EmbedChunk
	}
	from := in.Chunk * r.recipe.ChunkFrames
	summary := fmt.Sprintf("%s frames %d–%d %s, %s", stage, from,
		min(from+r.recipe.ChunkFrames, max(r.progress.Expected, from+1))-1, r.total(), r.name())
	for {
		in.LimitMicroUSD = micro(r.budget)
		start := r.elapsed(ctx)
		out, err := callOnClass(ctx, r.caller, stem, classes, r.recipe.GPUWait, summary, activity, in)
		if err == nil {
			r.took(video.StageTime{
				Name: stage, Frames: out.Frames, Calls: out.Calls, BusyMS: out.BusyMS,
				StartMS: start, EndMS: r.elapsed(ctx),
			})
			return out, nil
		}
		if classOf(err) != string(fault.Budget) {
			if !temporal.IsCanceledError(err) && r.failure == nil {
				r.progress.Stage = stage
			}
			r.fail(err)
			return out, err
		}
		if err := r.awaitBudget(ctx, micro(r.budget)); err != nil {
			r.fail(err)
			return out, err
		}
	}
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
		if workflow.Await(ctx, func() bool { return len(r.embedded) > 0 }) != nil {
			return
		}
		chunks := r.embedded
		r.embedded, r.indexing = nil, true
		start := r.elapsed(ctx)
		out, err := call(r.index(ctx, fmt.Sprintf("index %d chunks of %s", len(chunks), r.name())), r.a.IndexChunks,
			activities.IndexInput{VideoRef: r.ref(), Chunks: chunks})
		r.indexing = false
		if err != nil {
			if !temporal.IsCanceledError(err) && r.failure == nil {
				r.progress.Stage = stageIndex
			}
			r.fail(err)
			return
		}
		r.progress.Indexed += out.Frames
		r.took(video.StageTime{
			Name: stageIndex, Frames: out.Frames, BusyMS: out.BusyMS, StartMS: start, EndMS: r.elapsed(ctx),
		})
		r.show(ctx)
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
	in := r.in
	in.BudgetUSD = r.budget
	in.Resume = &videoResume{
		Recipe: r.recipe, Source: r.source, Claim: r.claim, Extraction: *r.extraction,
		Next: r.next, Indexed: r.progress.Indexed, Calls: r.calls, CostMicro: r.micro,
		Stages: r.stages, Started: r.progress.Started, Paused: r.progress.Paused,
	}
	return workflow.NewContinueAsNewError(ctx, IngestVideo, in)
}

func (r *videoRun) restore(s videoResume) {
	r.recipe, r.source, r.claim, r.extraction = s.Recipe, s.Source, s.Claim, &s.Extraction
	r.next, r.available, r.calls, r.micro, r.stages = s.Next, s.Extraction.Chunks, s.Calls, s.CostMicro, s.Stages
	p := &r.progress
	p.Name, p.Video, p.Profile, p.Stage = s.Source.Name, string(s.Source.Video), s.Recipe.Profile, stageDescribe
	p.Expected, p.Extracted, p.Started, p.Paused = s.Extraction.Frames, s.Extraction.Frames, s.Started, s.Paused
	p.Described, p.Embedded, p.Indexed, p.CostUSD = s.Indexed, s.Indexed, s.Indexed, usd(s.CostMicro)
}
