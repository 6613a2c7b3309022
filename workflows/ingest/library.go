// Package ingest holds the recipes of ingestion: a library, its videos, and search in the
// result. It knows the activities of ingestion, but neither decoders nor models.
package ingest

import (
	"encoding/json"
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

// The stages of a library.
const (
	stageList   = "list"
	stageIngest = "ingest"
)

// child is one IngestVideo run that this library waits for.
type child struct {
	ID        string `json:"id"`
	URI       string `json:"uri"`
	StartedMS int64  `json:"started_ms"` // from the start of the library
}

// Library ingests every video of a source: a window of IngestVideo
// children that slides over the stored listing and survives continue-as-new.
func Library(ctx workflow.Context, in LibraryInput) (LibraryResult, error) {
	r := &libraryRun{in: in}
	r.Run = job.New(ctx, r.showDetails)
	r.DryRun = in.DryRun
	if err := r.receive(ctx); err != nil {
		return LibraryResult{}, workflows.Typed(err)
	}
	if err := r.listen(ctx); err != nil {
		return LibraryResult{}, err
	}
	if in.DryRun {
		return r.estimate(ctx)
	}
	result, err := r.run(ctx)
	if workflow.IsContinueAsNewError(err) {
		return result, err
	}
	if dropErr := r.dropListing(ctx); err == nil {
		err = dropErr
	}
	if err != nil {
		err = workflows.Staged(r.stage, workflows.Ended(ctx, err))
	}
	return result, err
}

// libraryRun is the state of one IngestLibrary run.
type libraryRun struct {
	job.Run
	in          LibraryInput
	resumed     *libraryResume // nil = the first run of the chain
	a           *ingest.Activities
	concurrency int
	stage       string
	recipe      ingest.Recipe
	listing     ingest.Listing
	page        []string // URIs of the page that next lies on
	pageIndex   int
	next        int     // the first video that is not started yet
	inFlight    []child // in the order they were started
	inherited   int     // of inFlight, started by former runs
	starting    int     // of inFlight, not known to be running yet
	totals      video.Totals
	failures    []video.Failure
	unusable    []outcome.Group // answers that are not captions, of the indexed videos
	report      []ingest.ReportVideo
	failure     error
}

// receive checks the input and what the previous run handed on. A retry begins again: it
// ignores the children of the failed attempt, and videos that are done are unchanged.
func (r *libraryRun) receive(ctx workflow.Context) error {
	if err := r.in.check(ctx); err != nil {
		return err
	}
	if !r.in.DryRun { // which has no children
		if err := workflows.CheckChildID(childID(workflow.GetInfo(ctx).WorkflowExecution.ID, 0)); err != nil {
			return err
		}
	}
	info := workflow.GetInfo(ctx)
	state, err := job.HandedOn(ctx, r.in.received.Resume, func(s libraryResume) string { return s.Job }, func(s *libraryResume) error {
		return s.check(r.tenant(), info.WorkflowExecution.ID)
	})
	if info.Attempt <= 1 { // a test environment counts from 0
		r.resumed = state
	}
	return err
}

// run is the recipe.
func (r *libraryRun) run(ctx workflow.Context) (LibraryResult, error) {
	if r.resumed == nil {
		if err := r.begin(ctx); err != nil {
			return LibraryResult{}, err
		}
	} else {
		r.restore(*r.resumed)
	}
	err := r.window(ctx)
	if err == nil && r.unfinished() {
		if err = r.goOn(ctx); workflow.IsContinueAsNewError(err) {
			return LibraryResult{}, err
		}
	}
	if err != nil {
		err = r.cancelChildren(ctx, err)
		return r.result(), r.account(ctx, err)
	}
	return r.finish(ctx)
}

// account takes the cost of a run that failed or was cancelled from the ledger.
func (r *libraryRun) account(ctx workflow.Context, cause error) error {
	spend, known, err := job.FinalCost(ctx, r.Caller, ingest.SpendInput{Tenant: r.tenant(), Job: r.ID})
	if known {
		r.total(spend)
		err = r.setStage(ctx, r.stage)
	}
	if err != nil {
		return temporal.NewNonRetryableApplicationError(workflows.Reason(cause)+"; and its cost is not known: "+workflows.Reason(err), workflows.ClassOf(cause), cause)
	}
	return cause
}

// total takes the totals from the ledger.
func (r *libraryRun) total(s video.Spend) {
	r.totals.DescribeCalls, r.totals.RepeatedCalls, r.totals.CostUSD = s.Describe, s.Repeated, workflows.USD(s.CostMicroUSD)
	if s.Describe == 0 && !s.ByKind && r.recipe.Describe != "" {
		r.totals.DescribeCalls = s.Calls // a former build did not distinguish them
	}
}

// begin pins the profile and lists the source.
func (r *libraryRun) begin(ctx workflow.Context) error {
	r.stage = stageList
	var err error
	r.recipe, err = resolve(ctx, r.Caller, ingest.ResolveInput{Tenant: r.tenant(), Profile: r.in.Profile, Sampling: video.Strategy(r.in.Sampling)})
	if err != nil {
		return err
	}
	if err := workflows.SetAttributes(ctx, "IngestLibrary", r.in.Common, r.recipe.Profile); err != nil {
		return err
	}
	r.listing, err = workflows.Call(r.Listing(ctx, "list "+workflows.Cell(r.in.Source)), r.a.ListSource, r.source())
	if err != nil {
		return err
	}
	if r.listing.Rules {
		in := ingest.ResolveInput{Tenant: r.tenant(), Profile: r.in.Profile, Sampling: video.Strategy(r.in.Sampling), Place: r.facts()}
		in.Place.Videos = int64(r.listing.Videos)
		if r.recipe, err = resolve(ctx, r.Caller, in); err != nil {
			return err
		}
	}
	r.totals.Skipped = r.listing.Skipped
	if err := workflows.CheckChildID(childID(workflow.GetInfo(ctx).WorkflowExecution.ID, r.listing.Videos)); err != nil {
		return err
	}
	return r.setStage(ctx, stageIngest)
}

// facts are what the rules of placement know of the run, without the number of its videos.
func (r *libraryRun) facts() *placement.Facts {
	return &placement.Facts{Kind: placement.Ingest, Tenant: string(r.tenant()), BudgetUSD: r.in.BudgetUSD, Named: r.in.Profile != ""}
}

func (r *libraryRun) source() ingest.ListSourceInput {
	return ingest.ListSourceInput{
		Tenant: r.tenant(), Source: r.in.Source, Recursive: r.in.Recursive, MaxVideos: r.in.MaxVideos,
		Sound: r.recipe.Transcribe != "",
	}
}

// finish writes the report and returns the result.
func (r *libraryRun) finish(ctx workflow.Context) (LibraryResult, error) {
	r.stage = job.StageReport
	spend, err := workflows.Call(r.Metadata(ctx, "sum up the ledger"), r.a.Spend, ingest.SpendInput{Tenant: r.tenant(), Job: r.ID})
	if err != nil {
		return r.result(), err
	}
	r.total(spend)
	result := r.result()
	written, err := workflows.Call(r.Media(ctx, "write the report"), r.a.WriteReport, ingest.ReportInput{
		Kind: "IngestLibrary", Source: r.in.Source, Tenant: r.tenant(), Recipe: r.recipe,
		RunID: job.Chain(ctx), Started: r.Started, Ended: workflow.Now(ctx),
		Totals: r.totals, Videos: r.report, Failures: r.failures, Unusable: result.Unusable,
	})
	if err != nil {
		return result, err
	}
	result.Report = written.Key
	return result, r.setStage(ctx, job.StageDone)
}

// dropListing deletes the stored listing. It also runs when the run is cancelled.
func (r *libraryRun) dropListing(ctx workflow.Context) error {
	if r.listing.Prefix == "" {
		return nil
	}
	free, _ := workflow.NewDisconnectedContext(ctx)
	run, err := listingRun(r.tenant(), r.listing)
	if err != nil {
		return err
	}
	return workflows.Do(r.Metadata(free, "drop the listing"), r.a.DropListing,
		ingest.DropListingInput{Tenant: r.tenant(), Run: run, Prefix: r.listing.Prefix})
}

// estimate does a dry run.
func (r *libraryRun) estimate(ctx workflow.Context) (LibraryResult, error) {
	r.stage = "estimate"
	// The first build marked none, and looked at the videos at once.
	marked := workflow.GetVersion(ctx, "dry-run-marked", workflow.DefaultVersion, 1) != workflow.DefaultVersion
	if marked {
		if err := r.setStage(ctx, r.stage); err != nil {
			return LibraryResult{}, err
		}
	}
	e, err := workflows.Call(r.Media(ctx, "estimate "+workflows.Cell(r.in.Source)), r.a.Estimate,
		ingest.EstimateInput{ListSourceInput: r.source(), Profile: r.in.Profile, Sampling: video.Strategy(r.in.Sampling), Force: r.in.Force, Place: r.facts()})
	if err != nil {
		return LibraryResult{}, workflows.Staged(r.stage, err)
	}
	if err := workflows.SetAttributes(ctx, "IngestLibrary", r.in.Common, e.Profile); err != nil {
		return LibraryResult{}, err
	}
	r.totals = video.Totals{Videos: e.Videos, Unchanged: e.Unchanged, Failed: e.Failed, Skipped: e.Skipped}
	r.failures = e.Failures
	out := &Estimate{
		Bytes: e.Bytes, DurationMS: e.DurationMS, Frames: e.Frames, Calls: e.Calls, CostUSD: e.CostUSD, Unpriced: e.Unpriced,
		Seconds: e.Seconds, AtMost: e.AtMost, Unread: e.Unread, Unprobed: e.Unprobed, Placed: e.Placed,
	}
	if marked && e.Unchanged > 0 {
		lost, err := r.indexLost(ctx, e.Profile)
		if err != nil {
			return LibraryResult{}, workflows.Staged(r.stage, err)
		}
		if lost {
			r.totals.Unchanged, out.Reindexed = 0, e.Unchanged
		}
	}
	result := r.result()
	result.Estimate = out
	return result, r.setStage(ctx, job.StageDone)
}

// indexLost reports whether the index holds nothing of a profile of which the store says that
// videos are published, as after it was deleted.
func (r *libraryRun) indexLost(ctx workflow.Context, profile string) (bool, error) {
	listed, err := workflows.Call(r.Lookup(ctx, "look into the index"), r.a.ListVideos,
		ingest.ListInput{Tenant: r.tenant(), Profile: profile, Limit: 1})
	return len(listed.Videos) == 0, err
}

func (r *libraryRun) unfinished() bool { return r.next < r.listing.Videos || len(r.inFlight) > 0 }

func (r *libraryRun) tenant() tenant.ID { return tenant.ID(r.in.Tenant) }

func (r *libraryRun) result() LibraryResult {
	failures := r.failures
	if failures == nil {
		failures = []video.Failure{}
	}
	unusable := outcome.Among(r.unusable, refusal.Role, r.totals.Frames)
	return LibraryResult{Totals: r.totals, Failures: failures, Unusable: unusable, Warnings: outcome.Warnings(unusable)}
}

// goOn continues as new when the server has started every child.
func (r *libraryRun) goOn(ctx workflow.Context) error {
	if err := r.childrenBegun(ctx); err != nil {
		return err
	}
	if err := r.fits(ctx); err != nil {
		return err
	}
	return job.ContinueAsNew(ctx, r.continuation)
}

// fits waits until the state to hand on is small enough for the server.
func (r *libraryRun) fits(ctx workflow.Context) error {
	for {
		data, err := json.Marshal(r.continuation())
		if err != nil {
			return err
		}
		left := len(r.inFlight)
		if len(data) <= workflows.MaxHandedOn || left == 0 {
			return nil
		}
		if err := workflow.Await(ctx, func() bool { return len(r.inFlight) < left || r.failure != nil }); err != nil {
			return err
		}
		if r.failure != nil {
			return r.failure
		}
	}
}

// done records how a child ended. A repeated message, or one about an earlier child,
// changes nothing.
func (r *libraryRun) done(d VideoDone) {
	at := slices.IndexFunc(r.inFlight, func(c child) bool { return c.ID == d.WorkflowID })
	if at < 0 {
		return
	}
	c := r.inFlight[at]
	if at < r.inherited {
		r.inherited--
	}
	r.inFlight = slices.Delete(r.inFlight, at, at+1)
	t := &r.totals
	t.Videos++
	t.CostUSD += d.Result.CostUSD
	t.DescribeCalls += d.Result.DescribeCalls
	if d.Failure != nil {
		t.Failed++
		if len(r.failures) < ingest.MaxFailures {
			d.Failure.URI = video.CutURI(c.URI)
			r.failures = append(r.failures, *d.Failure)
		}
		return
	}
	if d.Result.Status == video.StatusUnchanged {
		t.Unchanged++
	} else {
		t.Indexed++
		t.Frames += d.Result.Frames
		t.Refused += d.Result.Refused
		r.unusable = outcome.Merge(r.unusable, d.Result.Unusable)
		t.Documents += d.Result.Documents
	}
	if len(r.report) < video.MaxReportVideos {
		r.report = append(r.report, ingest.ReportVideo{
			Video: video.ID(d.Result.Video), Status: d.Result.Status, StartedMS: c.StartedMS,
		})
	}
}

// active lists the children in progress, for people.
func (r *libraryRun) active() []ActiveVideo {
	out := make([]ActiveVideo, len(r.inFlight))
	for i, c := range r.inFlight {
		out[i] = ActiveVideo{WorkflowID: c.ID, URI: c.URI}
	}
	return out
}

func childID(library string, index int) string { return fmt.Sprintf("%s/%06d", library, index) }
