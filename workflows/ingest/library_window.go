package ingest

import (
	"errors"
	"path"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// window keeps `concurrency` children in progress until the listing is done or the history
// is long enough for one run.
func (r *libraryRun) window(ctx workflow.Context) error {
	if r.inherited > 0 {
		workflow.Go(ctx, r.lookAfterInherited)
	}
	for {
		err := workflow.Await(ctx, func() bool {
			return r.failure != nil || job.MustContinue(ctx) || r.canStart() || (r.next == r.listing.Videos && len(r.inFlight) == 0)
		})
		if err != nil {
			return err
		}
		if r.failure != nil {
			return r.failure
		}
		if job.MustContinue(ctx) || !r.canStart() {
			return nil
		}
		uri, err := r.uri(ctx, r.next)
		if err != nil {
			return err
		}
		r.start(ctx, uri)
	}
}

func (r *libraryRun) canStart() bool {
	return r.next < r.listing.Videos && len(r.inFlight) < r.concurrency && !r.Paused
}

// uri reads the page of the listing that a video is on.
func (r *libraryRun) uri(ctx workflow.Context, index int) (string, error) {
	page := index / ingest.ListingPage
	if r.page == nil || page != r.pageIndex {
		run, err := listingRun(r.tenant(), r.listing)
		if err != nil {
			return "", err
		}
		read, err := workflows.Call(r.Metadata(ctx, "read the listing"), r.a.ReadListing,
			ingest.ReadListingInput{Tenant: r.tenant(), Run: run, Prefix: r.listing.Prefix, Page: page})
		if err != nil {
			return "", err
		}
		r.page, r.pageIndex = read.URIs, page
	}
	return r.page[index%ingest.ListingPage], nil
}

// start starts the next video.
func (r *libraryRun) start(ctx workflow.Context, uri string) {
	c := child{
		ID:  childID(workflow.GetInfo(ctx).WorkflowExecution.ID, r.next),
		URI: uri, StartedMS: r.Elapsed(ctx).Milliseconds(),
	}
	r.next++
	r.inFlight = append(r.inFlight, c)
	if r.listing.Cut > 0 && len(uri) > video.MaxURI {
		r.settle(ctx, VideoDone{WorkflowID: c.ID, Failure: workflows.FailureOf(stageIngest, workflows.Typed(video.ErrLongURI()))})
		return
	}
	in := videoOfLibrary{
		VideoInput: VideoInput{Common: r.in.Common, URI: uri, Profile: r.recipe.Profile, Force: r.in.Force},
		Library:    &libraryLink{Job: r.ID, Recipe: r.recipe},
	}
	in.BudgetUSD = r.Budget
	r.starting++
	workflow.Go(ctx, func(ctx workflow.Context) { r.watch(ctx, c, in) })
}

// watch starts a child and notices when it ends without a report, as a terminated one does.
// The others report by signal, which also reaches a later run.
func (r *libraryRun) watch(ctx workflow.Context, c child, in videoOfLibrary) {
	// Children are not cancelled through the context: children of former runs cannot be, so
	// cancelChildren asks all of them in the same way.
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	ctx = r.Child(ctx, c.ID, workflows.Cell(path.Base(c.URI)), "`"+workflows.Cell(c.URI)+"`", workflows.Attributes("IngestVideo", r.in.Common, r.recipe.Profile))
	for begun := false; ; {
		var result VideoResult
		future := workflow.ExecuteChildWorkflow(ctx, "IngestVideo", in)
		err := future.GetChildWorkflowExecution().Get(ctx, nil)
		_, running := errors.AsType[*temporal.ChildWorkflowExecutionAlreadyStartedError](err)
		if running && (!begun || checksAgain(ctx)) {
			if stranger := r.ofAnother(ctx, c.ID); stranger != nil {
				if !begun {
					r.starting--
				}
				r.settle(ctx, VideoDone{WorkflowID: c.ID, Failure: stranger})
				return
			}
		}
		if !begun {
			begun = true
			r.starting--
		}
		if err == nil {
			err = future.Get(ctx, &result)
		}
		if running {
			// Left over from a library run that was terminated: its signal counts, and if
			// it ends without one the video is started again.
			if workflow.Sleep(ctx, workflows.LookAfter/6) != nil || !r.waitsFor(c.ID) {
				return
			}
			continue
		}
		done := VideoDone{WorkflowID: c.ID, Result: result}
		if err != nil {
			done.Failure = workflows.FailureOf(stageIngest, err)
		}
		r.settle(ctx, done)
		return
	}
}

// ofAnother says why a workflow that has the id of a video of this library must be left
// alone: ids are shared in a namespace, and a terminated library of another tenant may have
// left it. Until that is known the child counts as starting, so it is neither cancelled nor
// handed on. nil = it belongs to this library.
func (r *libraryRun) ofAnother(ctx workflow.Context, id string) *video.Failure {
	if workflow.GetVersion(ctx, "leftover-children-of-tenant", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	found, err := workflows.Call(r.Metadata(ctx, "see whose the running video is"), r.a.Running,
		ingest.RunningInput{Tenant: r.tenant(), Workflows: []string{id}})
	switch {
	case err != nil:
		return workflows.FailureOf(stageIngest, err)
	case slices.Contains(found.Others, id):
		return workflows.IDTaken(stageIngest, id)
	}
	return nil
}

// checksAgain gates the repeated check: the workflow that has the id of a video may have
// ended meanwhile, and another one may have taken the id. The first builds checked once,
// and waited for ever.
func checksAgain(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "ids-taken-later", workflow.DefaultVersion, 1) >= 1
}

// childrenBegun waits until the server has started every child. If the parent ends or
// continues as new before that, a requested child is never started and cannot be cancelled.
func (r *libraryRun) childrenBegun(ctx workflow.Context) error {
	return workflow.Await(ctx, func() bool { return r.starting == 0 })
}

func (r *libraryRun) waitsFor(id string) bool {
	for _, c := range r.inFlight {
		if c.ID == id {
			return true
		}
	}
	return false
}

// lookAfterInherited checks from time to time whether the children of former runs are still
// open.
func (r *libraryRun) lookAfterInherited(ctx workflow.Context) {
	wait := workflows.LookAfter
	for r.inherited > 0 {
		if workflow.Sleep(ctx, wait) != nil || r.inherited == 0 {
			return
		}
		wait = min(2*wait, 10*time.Minute)
		ids := make([]string, r.inherited)
		for i := range ids {
			ids[i] = r.inFlight[i].ID
		}
		found, err := workflows.Call(r.Metadata(ctx, "look after children of former runs"), r.a.Running,
			ingest.RunningInput{Tenant: r.tenant(), Workflows: ids})
		if err != nil {
			if r.failure == nil && !temporal.IsCanceledError(err) {
				r.failure = err
			}
			return
		}
		// A child that ended in the meantime has sent its signal first.
		if job.Yield(ctx) != nil {
			return
		}
		if len(found.Others) > 0 && checksAgain(ctx) {
			for _, id := range found.Others {
				r.settle(ctx, VideoDone{WorkflowID: id, Failure: workflows.IDTaken(stageIngest, id)})
			}
		}
		for _, id := range found.Closed {
			r.settle(ctx, VideoDone{WorkflowID: id, Failure: &video.Failure{
				Stage: stageIngest, Class: string(fault.Preempted), Reason: "the workflow of this video was terminated",
			}})
		}
	}
}

// cancelChildren cancels all children in flight, whichever run started them, and waits
// until they have ended.
func (r *libraryRun) cancelChildren(ctx workflow.Context, cause error) error {
	free, _ := workflow.NewDisconnectedContext(ctx)
	if err := r.childrenBegun(free); err != nil {
		return err
	}
	for _, c := range r.inFlight {
		// It may have just ended; its signal is then on the way.
		_ = workflow.RequestCancelExternalWorkflow(free, c.ID, "").Get(free, nil)
	}
	if r.inherited > 0 {
		workflow.Go(free, r.lookAfterInherited)
	}
	if err := workflow.Await(free, func() bool { return len(r.inFlight) == 0 }); err != nil {
		return err
	}
	return cause
}
