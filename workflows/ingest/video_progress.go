package ingest

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/bounds"
	"github.com/cogniverse/cogflow/workflows/job"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// listen answers queries and takes signals and updates for as long as the run lasts.
func (r *videoRun) listen(ctx workflow.Context) error {
	r.progress.Tenant = r.in.Tenant
	r.job = r.ID
	if r.library != nil {
		r.job = r.library.Job
	}
	err := job.Listen(ctx, &r.Run, r.in.Common, job.Handlers[VideoProgress]{
		About: "Progress of each stage of this video", Progress: r.answer, Pays: true,
	})
	if err != nil {
		return err
	}
	signal.On(ctx, &r.Signals, workflows.SignalBudget, func(ctx workflow.Context, usd float64) error {
		if err := job.CheckBudget(usd); err != nil {
			return err
		}
		r.Budget = usd
		r.showDetails(ctx)
		return nil
	})
	signal.On(ctx, &r.Signals, ingest.SignalExtracted, func(ctx workflow.Context, e ingest.Extracted) error {
		if err := bounds.Extracted(e); err != nil || r.at.extracted {
			return err
		}
		r.at.available = max(r.at.available, e.Chunks)
		r.progress.Extracted = max(r.progress.Extracted, e.Frames)
		r.showDetails(ctx)
		return nil
	})
	return nil
}

// answer is the progress of the run, as the query returns it.
func (r *videoRun) answer() VideoProgress {
	p := r.progress
	p.Paused, p.Waiting, p.BlockedBy, p.Started, p.IgnoredSignal = r.Paused, r.Waiting, r.BlockedText(), r.Started, r.Signals.Ignored
	p.Unusable = outcome.Among(r.unusable, refusal.Role, p.Described)
	p.Warnings = outcome.Warnings(p.Unusable)
	return p
}

// setStage changes the stage that is shown and can be searched for.
func (r *videoRun) setStage(ctx workflow.Context, stage string) {
	r.progress.Stage = stage
	r.showDetails(ctx)
	failed := 0
	if r.failure != nil {
		failed = 1
	}
	if err := r.ShowStage(ctx, stage, failed, workflows.USD(r.micro)); err != nil {
		r.fail(err)
	}
}

// showDetails renders the current details of the Web UI.
func (r *videoRun) showDetails(ctx workflow.Context) {
	p := r.answer()
	row := func(stage string, done int) []string {
		return []string{stage, workflows.Bar(done, p.Expected), workflows.Count(done, p.Expected)}
	}
	details := fmt.Sprintf("**%s** · %s · profile %s\n\n", workflows.Cell(p.Name), r.Status(p.Stage), workflows.Cell(p.Profile))
	rows := [][]string{row(stageExtract, p.Extracted)}
	if r.recipe.Describe != "" {
		rows = append(rows, row(stageDescribe, p.Described))
	}
	details += workflows.Table([]string{"stage", "", "frames"}, append(rows, row(stageEmbed, p.Embedded), row(stageIndex, p.Indexed)))
	if p.Passages > 0 {
		details += fmt.Sprintf("\n%d passages of speech\n", p.Passages)
	}
	details += fmt.Sprintf("\n%d describe calls, %.4f USD, %s", r.calls, p.CostUSD, workflows.Clock(r.Elapsed(ctx)))
	details += workflows.IgnoredNote(r.Signals.Ignored) + unusableNote(p.Warnings, p.Unusable)
	workflow.SetCurrentDetails(ctx, details)
}

// total is the number of frames for a summary, "?" until it is known.
func (r *videoRun) total() string {
	if r.progress.Expected > 0 {
		return fmt.Sprintf("of %d", r.progress.Expected)
	}
	return "so far"
}
