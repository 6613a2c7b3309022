package ingest

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/placement"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// The stages of a video: values of CogStage, and words in the Web UI.
const (
	stageInspect    = "inspect"
	stageExtract    = "extract"
	stageTranscribe = "transcribe"
	stageSpeech     = "speech" // embed and index the passages of the transcript
	stageDescribe   = "describe"
	stageEmbed      = "embed"
	stageIndex      = "index"
	stageBlocked    = "blocked" // the index is full; the run continues by itself
)

// Video makes one video searchable:
// inspect → claim → extract → describe and embed by chunks → index → publish.
func Video(ctx workflow.Context, in VideoInput) (VideoResult, error) {
	r := newVideoRun(ctx, in)
	result, err := r.run(ctx)
	if workflow.IsContinueAsNewError(err) {
		return VideoResult{}, err
	}
	if err != nil {
		err = workflows.Staged(r.progress.Stage, err)
	}
	if reportErr := r.reportToLibrary(ctx, result, err); reportErr != nil && err == nil {
		err = reportErr
	}
	return result, err
}

// videoRun is the state of one IngestVideo run.
type videoRun struct {
	job.Run
	in       VideoInput
	library  *libraryLink // nil = started on its own
	resumed  *videoResume // nil = the first run of the chain
	a        *ingest.Activities
	job      string
	recipe   ingest.Recipe
	source   video.Source
	claim    ingest.ClaimResult
	progress VideoProgress
	times    []video.StageTime
	calls    int
	micro    int64           // settled cost
	removed  int             // stale documents
	refused  int             // frames that a model refused
	unusable []outcome.Group // answers that are not captions

	extraction *video.Extraction // nil until extraction has ended
	at         stages
	blocked    bool // the index is full
	failure    error
}

func newVideoRun(ctx workflow.Context, in VideoInput) *videoRun {
	r := &videoRun{in: in}
	r.Run = job.New(ctx, r.showDetails)
	r.progress = VideoProgress{URI: in.URI, Name: in.URI, Stage: stageInspect}
	return r
}

// receive checks the input and what a library or the previous run handed on.
func (r *videoRun) receive(ctx workflow.Context) (err error) {
	if err := r.in.check(ctx); err != nil {
		return err
	}
	if r.library, err = fromLibrary(ctx, r.in.received.Library); err != nil {
		return err
	}
	r.resumed, err = job.HandedOn(ctx, r.in.received.Resume, nil, (*videoResume).check)
	return err
}

// run is the recipe.
func (r *videoRun) run(ctx workflow.Context) (VideoResult, error) {
	if err := r.receive(ctx); err != nil {
		return VideoResult{}, workflows.Typed(err)
	}
	if err := r.listen(ctx); err != nil {
		return VideoResult{}, err
	}
	if r.resumed == nil {
		if err := r.begin(ctx); err != nil || r.claim.Unchanged {
			return r.result("unchanged"), workflows.Ended(ctx, err)
		}
	} else {
		r.restore(*r.resumed)
	}
	err := r.pipeline(ctx)
	if err == nil && job.MustContinue(ctx) && !r.finished() {
		if err = job.ContinueAsNew(ctx, r.continuation); workflow.IsContinueAsNewError(err) {
			return VideoResult{}, err
		}
	}
	if err == nil {
		err = r.publish(ctx)
	}
	if err != nil {
		return r.result("failed"), r.abandon(ctx, workflows.Ended(ctx, err))
	}
	result := r.result("indexed")
	if r.library == nil {
		err = r.report(ctx, &result)
	}
	r.setStage(ctx, job.StageDone)
	return result, err
}

// begin identifies the video and finds out whether there is anything to do.
func (r *videoRun) begin(ctx workflow.Context) error {
	var err error
	if r.library != nil {
		r.recipe = r.library.Recipe
	} else {
		pin := ingest.ResolveInput{
			Tenant: r.tenant(), Profile: r.in.Profile, Sampling: video.Strategy(r.in.Sampling),
			Place: &placement.Facts{Kind: placement.Ingest, Tenant: string(r.tenant()), Videos: 1, BudgetUSD: r.in.BudgetUSD, Named: r.in.Profile != ""},
		}
		if r.recipe, err = resolve(ctx, r.Caller, pin); err != nil {
			return err
		}
	}
	if err := workflows.SetAttributes(ctx, "IngestVideo", r.in.Common, r.recipe.Profile); err != nil {
		return err
	}
	r.progress.Profile = r.recipe.Profile
	r.source, err = workflows.Call(r.Media(ctx, "fingerprint and probe"), r.a.Inspect,
		ingest.InspectInput{Tenant: r.tenant(), URI: r.in.URI, Recipe: r.recipe.Fingerprint})
	if err != nil {
		return err
	}
	r.at.transcribed = wordless(r.recipe, r.source)
	r.progress.Name, r.progress.Video = r.source.Name, string(r.source.Video)
	// Builds before this one let the server retry for as long as the index is full, so no
	// version is needed to tell them apart.
	err = r.whenRoom(ctx, "room in the index or the store", func() (err error) {
		r.claim, err = workflows.Call(r.Lookup(ctx, "claim "+r.name()), r.a.Claim,
			ingest.ClaimInput{VideoRef: r.ref(), Media: r.source.Media, Force: r.in.Force, FailWithoutRoom: true})
		return err
	})
	r.progress.Expected = r.claim.Expected
	if err == nil && r.claim.Unchanged {
		r.setStage(ctx, job.StageDone)
	}
	return err
}

// publish makes the new documents visible to search.
func (r *videoRun) publish(ctx workflow.Context) error {
	r.setStage(ctx, job.StagePublish)
	r.times = slices.SortedStableFunc(slices.Values(r.times), func(a, b video.StageTime) int {
		return int(a.StartMS - b.StartMS)
	})
	var published ingest.PublishResult
	err := r.whenRoom(ctx, roomInIndex, func() (err error) {
		published, err = workflows.Call(r.Feed(ctx, fmt.Sprintf("publish %d documents of %s", r.extraction.Frames+r.progress.Passages, r.name())),
			r.a.PublishVideo, ingest.PublishInput{VideoRef: r.ref(), Generation: r.claim.Generation, Stages: r.times})
		return err
	})
	r.claim.Documents, r.progress.Passages = published.Documents, published.Passages
	r.removed = published.Removed
	if published.Unusable != nil { // it counts all runs and attempts
		r.unusable = published.Unusable
	}
	return err
}

// report writes the report of a run without a library, and takes the totals of its calls
// from the ledger.
func (r *videoRun) report(ctx workflow.Context, result *VideoResult) error {
	r.progress.Stage = job.StageReport
	written, err := workflows.Call(r.Media(ctx, "write the report"), r.a.WriteReport, ingest.ReportInput{
		Kind: "IngestVideo", Source: r.in.URI, Tenant: r.tenant(), Recipe: r.recipe,
		RunID: job.Chain(ctx), Job: r.job, Started: r.Started, Ended: workflow.Now(ctx),
		Totals: video.Totals{
			Videos: 1, Indexed: 1, Frames: result.Frames, Documents: result.Documents,
			DescribeCalls: result.DescribeCalls, CostUSD: result.CostUSD,
		},
		Videos:   []ingest.ReportVideo{{Video: r.source.Video, Status: video.StatusIndexed}},
		Unusable: result.Unusable,
	})
	if err == nil {
		result.Report, result.RepeatedCalls = written.Key, written.RepeatedCalls
		if s := written.Spend; s != nil {
			r.calls, r.micro = s.Describe, s.CostMicroUSD
			r.progress.CostUSD = workflows.USD(r.micro)
			result.DescribeCalls, result.CostUSD = r.calls, workflows.USD(r.micro)
		}
	}
	return err
}

// abandon undoes what must not stay when a run fails or is cancelled. It uses a
// disconnected context, because the run's own may be cancelled.
func (r *videoRun) abandon(ctx workflow.Context, cause error) error {
	if r.claim.Generation == "" || r.claim.Unchanged {
		return cause
	}
	free, _ := workflow.NewDisconnectedContext(ctx)
	err := workflows.Do(r.Index(free, "remove what is not whole"), r.a.Abandon, r.ref())
	if err == nil {
		err = r.account(ctx)
	}
	if err != nil {
		return temporal.NewNonRetryableApplicationError(
			workflows.Reason(cause)+"; and cleaning up failed: "+workflows.Reason(err), workflows.ClassOf(cause), cause)
	}
	return cause
}

// account takes the cost of a run that failed or was cancelled from the ledger.
func (r *videoRun) account(ctx workflow.Context) error {
	if r.at.available == 0 {
		return nil // no model was called
	}
	spend, known, err := job.FinalCost(ctx, r.Caller, ingest.SpendInput{
		Tenant: r.tenant(), Job: r.job, Workflow: workflow.GetInfo(ctx).WorkflowExecution.ID,
	})
	if !known {
		return err
	}
	r.micro = spend.CostMicroUSD
	r.progress.CostUSD = workflows.USD(r.micro)
	r.showDetails(ctx)
	return workflows.SetStage(ctx, r.progress.Stage, 1, workflows.USD(r.micro))
}

// name is the video's name, fit for a summary.
func (r *videoRun) name() string { return workflows.Cell(r.source.Name) }

func (r *videoRun) tenant() tenant.ID { return tenant.ID(r.in.Tenant) }

func (r *videoRun) ref() ingest.VideoRef {
	return ingest.VideoRef{
		Tenant: r.tenant(), Video: r.source.Video, Recipe: r.recipe.Fingerprint, Claim: r.claim.Claim, Subtitles: r.source.Subtitles,
	}
}

func (r *videoRun) result(status string) VideoResult {
	out := VideoResult{
		Video: string(r.source.Video), Status: status, Name: r.source.Name,
		Sidecar: r.source.Sidecar, Generation: string(r.claim.Generation), Frames: r.claim.Frames, Documents: r.claim.Documents,
		Removed: r.removed, Refused: r.refused, DescribeCalls: r.calls, CostUSD: workflows.USD(r.micro),
	}
	if x := r.extraction; x != nil {
		out.Passages, out.Blank = r.progress.Passages, x.Blank
		out.Frames, out.Duplicates, out.Capped, out.DecodeErrors = x.Frames, x.Duplicates, x.Capped, x.DecodeErrors
	}
	out.Unusable = outcome.Among(r.unusable, refusal.Role, out.Frames)
	out.Warnings = outcome.Warnings(out.Unusable)
	return out
}
