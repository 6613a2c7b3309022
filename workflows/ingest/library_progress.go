package ingest

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// listen answers queries and takes signals and updates for as long as the run lasts.
func (r *libraryRun) listen(ctx workflow.Context) error {
	r.concurrency = r.in.Concurrency
	err := job.Listen(ctx, &r.Run, r.in.Common, job.Handlers[LibraryProgress]{
		About: "Progress of the library, and the videos in progress", Progress: r.progress, Passed: r.pass,
	})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateConcurrency,
		func(ctx workflow.Context, n signal.Given[int]) error {
			r.concurrency = n.Value
			r.showDetails(ctx)
			return nil
		},
		workflow.UpdateHandlerOptions{Validator: checkConcurrency, Description: "Videos at a time, 1 to 256"})
	if err != nil {
		return err
	}
	signal.On(ctx, &r.Signals, workflows.SignalVideoDone, func(ctx workflow.Context, d VideoDone) error {
		if err := d.check(); err != nil {
			return err
		}
		r.settle(ctx, d)
		return nil
	})
	return nil
}

func checkConcurrency(n signal.Given[int]) error {
	if n.Problem() != nil || n.Value < 1 || n.Value > MaxConcurrency {
		return workflows.Typed(fault.New(fault.Input, "set concurrency", "", "must be 1 to 256"))
	}
	return nil
}

// pass forwards a signal to the children in progress. Ended ones do not need it.
func (r *libraryRun) pass(ctx workflow.Context, name string, payload any) {
	for _, c := range r.inFlight {
		workflow.SignalExternalWorkflow(ctx, c.ID, "", name, payload)
	}
}

// settle records the end of a child and updates what is shown.
func (r *libraryRun) settle(ctx workflow.Context, d VideoDone) {
	failed := r.totals.Failed
	r.done(d)
	r.showDetails(ctx)
	if r.totals.Failed == failed {
		return
	}
	if err := r.setStage(ctx, r.stage); err != nil && r.failure == nil {
		r.failure = err
	}
}

// setStage changes the stage that is shown and can be searched for.
func (r *libraryRun) setStage(ctx workflow.Context, stage string) error {
	r.stage = stage
	r.showDetails(ctx)
	return r.ShowStage(ctx, stage, r.totals.Failed, r.totals.CostUSD)
}

func (r *libraryRun) progress() LibraryProgress {
	t, result := r.totals, r.result()
	return LibraryProgress{
		Source: r.in.Source, Profile: r.recipe.Profile, Tenant: r.in.Tenant, Stage: r.stage,
		Paused: r.Paused, Concurrency: r.concurrency, Videos: r.listing.Videos,
		Done: t.Indexed + t.Unchanged + t.Failed, Indexed: t.Indexed, Unchanged: t.Unchanged, Failed: t.Failed,
		Frames: t.Frames, Documents: t.Documents, CostUSD: t.CostUSD, Started: r.Started,
		Active: r.active(), Failures: result.Failures, IgnoredSignal: r.Signals.Ignored,
		Unusable: result.Unusable, Warnings: result.Warnings,
	}
}

// showDetails renders the current details of the Web UI.
func (r *libraryRun) showDetails(ctx workflow.Context) {
	const shown = 10
	p := r.progress()
	details := fmt.Sprintf("**%s** · %s · profile %s · %d at a time\n\n", workflows.Cell(p.Source), r.Status(p.Stage), workflows.Cell(p.Profile), p.Concurrency)
	details += workflows.Table([]string{"videos", "", "indexed", "unchanged", "failed", "frames", "USD", "time"}, [][]string{{
		workflows.Count(p.Done, p.Videos), workflows.Bar(p.Done, p.Videos), fmt.Sprint(p.Indexed), fmt.Sprint(p.Unchanged),
		fmt.Sprint(p.Failed), fmt.Sprint(p.Frames), fmt.Sprintf("%.4f", p.CostUSD),
		workflows.Clock(r.Elapsed(ctx)),
	}})
	details += workflows.IgnoredNote(r.Signals.Ignored) + unusableNote(p.Warnings, p.Unusable)
	if len(p.Failures) > 0 {
		rows := make([][]string, 0, shown)
		for _, f := range p.Failures[:min(shown, len(p.Failures))] {
			rows = append(rows, []string{f.URI, f.Stage, f.Class, f.Reason})
		}
		details += "\nFailed:\n\n" + workflows.Table([]string{"video", "stage", "class", "reason"}, rows)
	}
	workflow.SetCurrentDetails(ctx, details)
}
