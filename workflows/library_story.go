package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// listen answers queries and takes signals and updates for as long as the run lasts.
func (r *libraryRun) listen(ctx workflow.Context) error {
	r.caller, r.budget, r.concurrency = newCaller(r.in.Common), r.in.BudgetUSD, r.in.Concurrency
	r.job = chain(ctx)
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryProgress,
		func() (LibraryProgress, error) { return r.progress(), nil },
		workflow.QueryHandlerOptions{Description: "Progress of the library, and the videos in progress"})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateConcurrency,
		func(ctx workflow.Context, n signal.Given[int]) error {
			r.concurrency = n.Value
			r.show(ctx)
			return nil
		},
		workflow.UpdateHandlerOptions{Validator: checkConcurrency, Description: "Videos at a time, 1 to 256"})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateBudget,
		func(ctx workflow.Context, usd signal.Given[float64]) error {
			r.budget = usd.Value
			r.pass(ctx, SignalBudget, usd.Value)
			return nil
		},
		workflow.UpdateHandlerOptions{Validator: validBudget, Description: "New hard limit in USD, 0 = none"})
	if err != nil {
		return err
	}
	signal.OnName(ctx, SignalPause, func(ctx workflow.Context) { r.paused = true; r.pass(ctx, SignalPause, nil); r.show(ctx) })
	signal.OnName(ctx, SignalResume, func(ctx workflow.Context) { r.paused = false; r.pass(ctx, SignalResume, nil); r.show(ctx) })
	r.signals.Show = r.show
	signal.On(ctx, &r.signals, SignalVideoDone, func(ctx workflow.Context, d VideoDone) error {
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
		return typed(fault.New(fault.Input, "set concurrency", "", "must be 1 to 256"))
	}
	return nil
}

// pass sends a signal on to the children at work. One that has ended needs none.
func (r *libraryRun) pass(ctx workflow.Context, name string, payload any) {
	for _, c := range r.inFlight {
		workflow.SignalExternalWorkflow(ctx, c.ID, "", name, payload)
	}
}

// settle records the end of a child and shows it.
func (r *libraryRun) settle(ctx workflow.Context, d VideoDone) {
	failed := r.totals.Failed
	r.done(d)
	r.show(ctx)
	if r.totals.Failed == failed {
		return
	}
	if err := r.tell(ctx, r.stage); err != nil && r.failure == nil {
		r.failure = err
	}
}

// tell enters a stage: it is shown and can be searched for.
func (r *libraryRun) tell(ctx workflow.Context, stage string) error {
	r.stage = stage
	r.show(ctx)
	return story(ctx, stage, r.totals.Failed, r.totals.CostUSD)
}

func (r *libraryRun) progress() LibraryProgress {
	t := r.totals
	return LibraryProgress{
		Source: r.in.Source, Profile: r.recipe.Profile, Tenant: r.in.Tenant, Stage: r.stage,
		Paused: r.paused, Concurrency: r.concurrency, Videos: r.listing.Videos,
		Done: t.Indexed + t.Unchanged + t.Failed, Indexed: t.Indexed, Unchanged: t.Unchanged, Failed: t.Failed,
		Frames: t.Frames, Documents: t.Documents, CostUSD: t.CostUSD, Started: r.started,
		Active: r.active(), Failures: r.result().Failures, IgnoredSignal: r.signals.Ignored,
	}
}

// show renders the current details of the Web UI.
func (r *libraryRun) show(ctx workflow.Context) {
	const shown = 10
	p := r.progress()
	status := p.Stage
	if p.Paused {
		status += ", paused (signal `resume` continues)"
	}
	details := fmt.Sprintf("**%s** · %s · profile %s · %d at a time\n\n", cell(p.Source), status, cell(p.Profile), p.Concurrency)
	details += table([]string{"videos", "", "indexed", "unchanged", "failed", "frames", "USD", "time"}, [][]string{{
		count(p.Done, p.Videos), bar(p.Done, p.Videos), fmt.Sprint(p.Indexed), fmt.Sprint(p.Unchanged),
		fmt.Sprint(p.Failed), fmt.Sprint(p.Frames), fmt.Sprintf("%.4f", p.CostUSD),
		clock(workflow.Now(ctx).Sub(r.started)),
	}})
	details += ignoredNote(r.signals.Ignored)
	if len(p.Failures) > 0 {
		rows := make([][]string, 0, shown)
		for _, f := range p.Failures[:min(shown, len(p.Failures))] {
			rows = append(rows, []string{f.URI, f.Stage, f.Class, f.Reason})
		}
		details += "\nFailed:\n\n" + table([]string{"video", "stage", "class", "reason"}, rows)
	}
	workflow.SetCurrentDetails(ctx, details)
}
