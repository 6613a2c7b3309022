package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/bounds"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// listen answers queries and takes signals and updates for as long as the run lasts.
func (r *videoRun) listen(ctx workflow.Context) error {
	r.caller, r.budget = newCaller(r.in.Common), r.in.BudgetUSD
	r.progress.Tenant = r.in.Tenant
	r.job = chain(ctx)
	if r.library != nil {
		r.job = r.library.Job
	}
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryProgress,
		func() (VideoProgress, error) {
			p := r.progress
			p.IgnoredSignal = r.signals.Ignored
			return p, nil
		},
		workflow.QueryHandlerOptions{Description: "Progress of each stage of this video"})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateBudget,
		func(_ workflow.Context, usd signal.Given[float64]) error { r.budget = usd.Value; return nil },
		workflow.UpdateHandlerOptions{Validator: validBudget, Description: "New hard limit in USD, 0 = none"})
	if err != nil {
		return err
	}
	r.signals.Show = r.show
	signal.OnName(ctx, SignalPause, func(ctx workflow.Context) { r.progress.Paused = true; r.show(ctx) })
	signal.OnName(ctx, SignalResume, func(ctx workflow.Context) { r.progress.Paused = false; r.show(ctx) })
	signal.On(ctx, &r.signals, SignalBudget, func(ctx workflow.Context, usd float64) error {
		if err := checkBudget(usd); err != nil {
			return err
		}
		r.budget = usd
		r.show(ctx)
		return nil
	})
	signal.On(ctx, &r.signals, ingest.SignalExtracted, func(ctx workflow.Context, e ingest.Extracted) error {
		if err := bounds.Extracted(e); err != nil || r.extracted() {
			return err
		}
		r.available = max(r.available, e.Chunks)
		r.progress.Extracted = max(r.progress.Extracted, e.Frames)
		r.show(ctx)
		return nil
	})
	return nil
}

// tell enters a stage: it is shown and can be searched for.
func (r *videoRun) tell(ctx workflow.Context, stage string) {
	r.progress.Stage = stage
	r.show(ctx)
	failed := 0
	if r.failure != nil {
		failed = 1
	}
	if err := story(ctx, stage, failed, usd(r.micro)); err != nil {
		r.fail(err)
	}
}

// show renders the current details of the Web UI.
func (r *videoRun) show(ctx workflow.Context) {
	p := r.progress
	status := p.Stage
	if p.Paused {
		status += ", paused (signal `resume` continues)"
	}
	switch p.Waiting {
	case "":
	case string(fault.Budget):
		status += ", waiting for budget (update `set_budget` raises it)"
	default:
		status += ", **waiting for " + cell(p.Waiting) + "**"
	}
	row := func(stage string, done int) []string {
		return []string{stage, bar(done, p.Expected), count(done, p.Expected)}
	}
	details := fmt.Sprintf("**%s** · %s · profile %s\n\n", cell(p.Name), status, cell(p.Profile))
	rows := [][]string{row(stageExtract, p.Extracted)}
	if r.recipe.Describe != "" {
		rows = append(rows, row(stageDescribe, p.Described))
	}
	details += table([]string{"stage", "", "frames"}, append(rows, row(stageEmbed, p.Embedded), row(stageIndex, p.Indexed)))
	details += fmt.Sprintf("\n%d describe calls, %.4f USD, %s", r.calls, p.CostUSD,
		clock(workflow.Now(ctx).Sub(p.Started)))
	details += ignoredNote(r.signals.Ignored)
	workflow.SetCurrentDetails(ctx, details)
}

// total is the number of frames for a summary, "?" until it is known.
func (r *videoRun) total() string {
	if r.progress.Expected > 0 {
		return fmt.Sprintf("of %d", r.progress.Expected)
	}
	return "so far"
}

// VideoDone tells a library how one of its videos ended.
type VideoDone struct {
	WorkflowID string            `json:"workflow_id"`
	Result     IngestVideoResult `json:"result"`
	Failure    *video.Failure    `json:"failure,omitempty"`
}

// tellLibrary reports to the library that started this run, whichever run of
// its chain that is by now. It also works when this run was cancelled.
func (r *videoRun) tellLibrary(ctx workflow.Context, result IngestVideoResult, err error) error {
	parent := workflow.GetInfo(ctx).ParentWorkflowExecution
	if r.library == nil || parent == nil {
		return nil
	}
	done := VideoDone{WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID, Result: result}
	if err != nil {
		done.Failure = failureOf(err) // the library sees the same, however it hears of it
		done.Failure.URI, done.Failure.Stage = r.in.URI, r.progress.Stage
	}
	free, _ := workflow.NewDisconnectedContext(ctx)
	tellErr := workflow.SignalExternalWorkflow(free, parent.ID, "", SignalVideoDone, done).Get(free, nil)
	if temporal.IsCanceledError(tellErr) {
		return tellErr
	}
	return nil // a library that has ended needs no news
}
