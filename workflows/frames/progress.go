package frames

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/workflows"
)

// answer is the progress of the run, as the query returns it.
func (r *run) answer() Progress {
	p := r.progress
	p.Paused, p.Waiting, p.BlockedBy, p.Started, p.IgnoredSignal = r.Paused, r.Waiting, r.BlockedText(), r.Started, r.Signals.Ignored
	return p
}

// setStage changes the stage that is shown and can be searched for.
func (r *run) setStage(ctx workflow.Context, stage string) {
	r.progress.Stage = stage
	r.showDetails(ctx)
	if err := r.ShowStage(ctx, stage, r.progress.Failed, r.progress.CostUSD); err != nil {
		r.fail(err)
	}
}

// showDetails renders the current details of the Web UI.
func (r *run) showDetails(ctx workflow.Context) {
	p := r.answer()
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**batch %.12s** · %s · model %s\n\n", p.Batch, r.Status(p.Stage), workflows.Cell(p.Model))+
		workflows.Table([]string{"", "", "frames"}, [][]string{
			{"described", workflows.Bar(p.Described, p.Frames), workflows.Count(p.Described, p.Frames)},
			{"failed", "", workflows.Count(p.Failed, p.Frames)},
		})+
		fmt.Sprintf("\n%d describe calls, %.4f USD, %s", r.calls, p.CostUSD, workflows.Clock(r.Elapsed(ctx)))+workflows.IgnoredNote(r.Signals.Ignored))
}
