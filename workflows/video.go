package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// The stages of a video, as people see them.
const (
	stageInspect    = "inspect"
	stageExtract    = "extract"
	stageTranscribe = "transcribe"
	stageDescribe   = "describe"
	stageEmbed      = "embed"
	stageIndex      = "index"
	stagePublish    = "publish"
	stageReport     = "report"
	stageDone       = "done"
	stageBlocked    = "blocked" // the index has no room; goes on by itself
)

// videoResume is what a run hands to the next at continue-as-new. By then the
// video is extracted and every chunk before Next is indexed.
type videoResume struct {
	Recipe      ingest.Recipe      `json:"recipe"`
	Source      video.Source       `json:"source"`
	Claim       ingest.ClaimResult `json:"claim"`
	Extraction  video.Extraction   `json:"extraction"`
	Next        int                `json:"next"`
	Indexed     int                `json:"indexed"`
	Calls       int                `json:"calls"`
	CostMicro   int64              `json:"cost_micro_usd"`
	Refused     int                `json:"refused,omitempty"`
	Stages      []video.StageTime  `json:"stages"`
	Started     time.Time          `json:"started"`
	Paused      bool               `json:"paused,omitempty"`
	Transcribed bool               `json:"transcribed,omitempty"`
}

// videoContinuation is the input of a continued run.
type videoContinuation struct {
	videoOfLibrary
	Resume *videoResume `json:"resume,omitempty"`
}

// IngestVideo makes one video searchable:
// inspect → claim → extract → describe and embed by chunks → index → publish.
func IngestVideo(ctx workflow.Context, in IngestVideoInput) (IngestVideoResult, error) {
	r := newVideoRun(ctx, in)
	result, err := r.run(ctx)
	if workflow.IsContinueAsNewError(err) {
		return IngestVideoResult{}, err
	}
	if err != nil {
		err = staged(r.progress.Stage, err)
	}
	if tellErr := r.tellLibrary(ctx, result, err); tellErr != nil && err == nil {
		err = tellErr
	}
	return result, err
}

// videoRun is the state of one IngestVideo run.
type videoRun struct {
	caller
	signals  signal.Log
	in       IngestVideoInput
	library  *libraryLink // nil = started by itself
	resumed  *videoResume // nil = this run begins
	a        *ingest.Activities
	job      string
	budget   float64
	recipe   ingest.Recipe
	source   video.Source
	claim    ingest.ClaimResult
	progress VideoProgress
	stages   []video.StageTime
	calls    int
	micro    int64 // settled cost
	removed  int   // stale documents
	refused  int   // frames that a model refused

	extraction   *video.Extraction // nil until extraction has ended
	available    int               // chunks that can be described
	next         int               // the first chunk that nobody works on
	describing   int               // chunks at the describer; its endpoint must not wait for the others
	inFlight     int               // chunks at the describer or the embedder
	embedded     []int             // chunks that can be indexed
	indexing     bool
	blocked      bool // the index has no room
	transcribing bool
	transcribed  bool // or nothing is to be
	failure      error
}

func newVideoRun(ctx workflow.Context, in IngestVideoInput) *videoRun {
	r := &videoRun{in: in}
	r.progress = VideoProgress{URI: in.URI, Name: in.URI, Stage: stageInspect, Started: workflow.Now(ctx)}
	return r
}

// receive checks the input, what a library told, and what the run before handed on.
func (r *videoRun) receive(ctx workflow.Context) (err error) {
	if err := r.in.check(ctx); err != nil {
		return err
	}
	if r.library, err = fromLibrary(ctx, r.in.received.library); err != nil {
		return err
	}
	if r.resumed, err = handedOn[videoResume](ctx, r.in.received.resume, nil); err != nil || r.resumed == nil {
		return err
	}
	return r.resumed.check()
}

// run is the recipe.
func (r *videoRun) run(ctx workflow.Context) (IngestVideoResult, error) {
	if err := r.receive(ctx); err != nil {
		return IngestVideoResult{}, typed(err)
	}
	if err := r.listen(ctx); err != nil {
		return IngestVideoResult{}, err
	}
	if r.resumed == nil {
		if err := r.begin(ctx); err != nil || r.claim.Unchanged {
			return r.result("unchanged"), ended(ctx, err)
		}
	} else {
		r.restore(*r.resumed)
	}
	err := r.pipeline(ctx)
	if err == nil && r.mustContinue(ctx) && !r.finished() {
		if err = r.continueAsNew(ctx); workflow.IsContinueAsNewError(err) {
			return IngestVideoResult{}, err
		}
	}
	if err == nil {
		err = r.publish(ctx)
	}
	if err != nil {
		return r.result("failed"), r.abandon(ctx, ended(ctx, err))
	}
	result := r.result("indexed")
	if r.library == nil {
		err = r.report(ctx, &result)
	}
	r.tell(ctx, stageDone)
	return result, err
}

// begin finds out what the video is and whether there is anything to do.
func (r *videoRun) begin(ctx workflow.Context) error {
	var err error
	if r.library != nil {
		r.recipe = r.library.Recipe
	} else {
		resolve := ingest.ResolveInput{Tenant: r.tenant(), Profile: r.in.Profile}
		if r.recipe, err = call(r.metadata(ctx, "pin the profile"), r.a.ResolveProfile, resolve); err != nil {
			return err
		}
	}
	if err := describeRun(ctx, "IngestVideo", r.in.Common, r.recipe.Profile); err != nil {
		return err
	}
	r.progress.Profile, r.transcribed = r.recipe.Profile, r.recipe.Transcribe == ""
	r.source, err = call(r.media(ctx, "fingerprint and probe"), r.a.Inspect,
		ingest.InspectInput{Tenant: r.tenant(), URI: r.in.URI})
	if err != nil {
		return err
	}
	r.progress.Name, r.progress.Video = r.source.Name, string(r.source.Video)
	// What former builds have scheduled is tried again by the server and never ends for
	// want of room, so nothing is to be kept apart by a version.
	err = r.whenRoom(ctx, "room in the index or the store", func() (err error) {
		r.claim, err = call(r.lookup(ctx, "claim "+r.name()), r.a.Claim,
			ingest.ClaimInput{VideoRef: r.ref(), Media: r.source.Media, Force: r.in.Force, TellRoom: true})
		return err
	})
	r.progress.Expected = r.claim.Expected
	if err == nil && r.claim.Unchanged {
		r.tell(ctx, stageDone)
	}
	return err
}

// publish switches search to the new documents.
func (r *videoRun) publish(ctx workflow.Context) error {
	r.tell(ctx, stagePublish)
	r.stages = slices.SortedStableFunc(slices.Values(r.stages), func(a, b video.StageTime) int {
		return int(a.StartMS - b.StartMS)
	})
	var published ingest.PublishResult
	err := r.whenRoom(ctx, roomInIndex, func() (err error) {
		published, err = call(r.feed(ctx, fmt.Sprintf("publish %d documents of %s", r.extraction.Frames, r.name())),
			r.a.PublishVideo, ingest.PublishInput{VideoRef: r.ref(), Generation: r.claim.Generation, Stages: r.stages})
		return err
	})
	r.claim.Documents = published.Documents
	r.removed = published.Removed
	return err
}

// report writes the report of a run that no library reports on, and learns what
// the ledger knows of its calls.
func (r *videoRun) report(ctx workflow.Context, result *IngestVideoResult) error {
	r.progress.Stage = stageReport
	written, err := call(r.media(ctx, "write the report"), r.a.WriteReport, ingest.ReportInput{
		Kind: "IngestVideo", Source: r.in.URI, Tenant: r.tenant(), Recipe: r.recipe,
		RunID: chain(ctx), Job: r.job, Started: r.progress.Started, Ended: workflow.Now(ctx),
		Totals: video.Totals{
			Videos: 1, Indexed: 1, Frames: result.Frames, Documents: result.Documents,
			DescribeCalls: result.DescribeCalls, CostUSD: result.CostUSD,
		},
		Videos: []ingest.ReportVideo{{Video: r.source.Video, Status: video.StatusIndexed}},
	})
	if err == nil {
		result.Report, result.RepeatedCalls = written.Key, written.RepeatedCalls
		if s := written.Spend; s != nil {
			r.calls, r.micro = s.Describe, s.CostMicroUSD
			r.progress.CostUSD = usd(r.micro)
			result.DescribeCalls, result.CostUSD = r.calls, usd(r.micro)
		}
	}
	return err
}

// abandon undoes what must not stay when a run fails or is cancelled. It runs
// outside the cancelled context, or it would never happen.
func (r *videoRun) abandon(ctx workflow.Context, cause error) error {
	if r.claim.Generation == "" || r.claim.Unchanged {
		return cause
	}
	free, _ := workflow.NewDisconnectedContext(ctx)
	err := do(r.index(free, "remove what is not whole"), r.a.Abandon, r.ref())
	if err == nil {
		err = r.account(ctx)
	}
	if err != nil {
		return temporal.NewNonRetryableApplicationError(
			reason(cause)+"; and cleaning up failed: "+reason(err), classOf(cause), cause)
	}
	return cause
}

// account makes the cost of a run that failed or was cancelled the ledger's.
func (r *videoRun) account(ctx workflow.Context) error {
	if r.available == 0 {
		return nil // no model was asked
	}
	spend, known, err := finalCost(ctx, r.caller, ingest.SpendInput{
		Tenant: r.tenant(), Job: r.job, Workflow: workflow.GetInfo(ctx).WorkflowExecution.ID,
	})
	if !known {
		return err
	}
	r.micro = spend.CostMicroUSD
	r.progress.CostUSD = usd(r.micro)
	r.show(ctx)
	return story(ctx, r.progress.Stage, 1, usd(r.micro))
}

// name is the video's name, fit for a summary.
func (r *videoRun) name() string { return cell(r.source.Name) }

func (r *videoRun) tenant() tenant.ID { return tenant.ID(r.in.Tenant) }

func (r *videoRun) ref() ingest.VideoRef {
	return ingest.VideoRef{Tenant: r.tenant(), Video: r.source.Video, Recipe: r.recipe.Fingerprint, Claim: r.claim.Claim}
}

func (r *videoRun) result(status string) IngestVideoResult {
	out := IngestVideoResult{
		Video: string(r.source.Video), Status: status, Name: r.source.Name,
		Generation: string(r.claim.Generation), Frames: r.claim.Frames, Documents: r.claim.Documents,
		Removed: r.removed, Refused: r.refused, DescribeCalls: r.calls, CostUSD: usd(r.micro),
	}
	if x := r.extraction; x != nil {
		out.Frames, out.Duplicates, out.Capped, out.DecodeErrors = x.Frames, x.Duplicates, x.Capped, x.DecodeErrors
	}
	return out
}

func usd(micro int64) float64 { return float64(micro) / 1e6 }

func micro(usd float64) int64 { return money.Limit(usd) }
