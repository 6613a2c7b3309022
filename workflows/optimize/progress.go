package optimize

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// listen answers queries and takes signals and updates for as long as the run lasts.
func (r *optimizeRun) listen(ctx workflow.Context) error {
	err := job.Listen(ctx, &r.Run, r.in.Common, job.Handlers[Progress]{
		About: "Trials, the best so far, calls and cost", Progress: r.progress, Stops: true, Pays: true,
	})
	if err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateApprove,
		func(ctx workflow.Context, yes signal.Given[bool]) error {
			r.approval = &yes.Value
			r.showDetails(ctx)
			return nil
		},
		workflow.UpdateHandlerOptions{Validator: r.mayApprove, Description: "true promotes the better program, false does not"})
}

func (r *optimizeRun) mayApprove(yes signal.Given[bool]) error {
	if err := yes.Problem(); err != nil {
		return workflows.Typed(fault.Wrap(fault.Input, "approve program", r.Plan.Name, err))
	}
	if r.Waiting != job.WaitApproval {
		return workflows.Typed(fault.New(fault.Input, "approve program", r.Plan.Name, "it is not waiting for approval"))
	}
	return nil
}

func (r *optimizeRun) progress() Progress {
	p := Progress{
		Name: r.Plan.Name, Tenant: r.in.Tenant, Mode: r.in.Mode, Job: r.Plan.Job, Stage: r.Stage, Paused: r.Paused, Waiting: r.Waiting, BlockedBy: r.BlockedText(),
		Trials: r.Trials, Planned: r.Plan.Trials, Answers: r.Asked.Answers, Calls: r.Asked.Calls,
		CostUSD: workflows.USD(r.Asked.CostMicroUSD), Started: r.Started, Unusable: r.Asked.Unusable, Warnings: r.warnings(),
	}
	var best search.BestSoFar
	for _, t := range r.Trials {
		if t.Kind == search.DefaultTrial {
			p.Default = t.Score
		}
		p.Best = best.Add(t.Kind, t.Choice, t.Rows, t.Score)
	}
	return p
}

// warnings are what a person should correct. A cost that leaves out a model is said beside one
// that is known; without any price there is no cost that could be mistaken.
func (r *optimizeRun) warnings() []string {
	out := outcome.Warnings(r.Asked.Unusable)
	if len(r.Plan.Unpriced) > 0 && r.Plan.CostUSD > 0 {
		out = append(out, "the cost does not include "+strings.Join(r.Plan.Unpriced, ", ")+
			", which has no price; set input_usd_per_mtok and output_usd_per_mtok of the endpoint")
	}
	return out
}

// setStage changes the stage that is shown and can be searched for.
func (r *optimizeRun) setStage(ctx workflow.Context, stage string) error {
	entered := r.Stage != stage || stage == stagePrepare || stage == stageBootstrap
	r.Stage = stage
	r.showDetails(ctx)
	if !entered {
		return nil
	}
	return r.ShowStage(ctx, stage, 0, workflows.USD(r.Asked.CostMicroUSD))
}

// nextTrial is the summary of the next search activity.
func (r *optimizeRun) nextTrial() string {
	p := r.progress()
	text := fmt.Sprintf("trial %d of about %d", len(r.Trials)+1, r.Plan.Trials+1)
	if p.Best > 0 {
		text += fmt.Sprintf(", best %.2f %%", p.Best)
	}
	return text
}

// shownTrials is the number of latest trials in the current details.
const shownTrials = 12

// showDetails renders the current details of the Web UI.
func (r *optimizeRun) showDetails(ctx workflow.Context) {
	p := r.progress()
	details := fmt.Sprintf("**%s** · %s · %s\n\n%s %s trials, %d answers, %d calls, %.4f USD, %s\n\n", workflows.Cell(p.Name), p.Mode, r.Status(p.Stage),
		workflows.Bar(len(p.Trials), p.Planned+1), workflows.Count(len(p.Trials), p.Planned+1), p.Answers, p.Calls, p.CostUSD,
		workflows.Clock(r.Elapsed(ctx)))
	var rows [][]string
	for _, t := range p.Trials[max(0, len(p.Trials)-shownTrials):] {
		rows = append(rows, []string{fmt.Sprint(t.Number), string(t.Kind), t.Choice, fmt.Sprint(t.Rows), fmt.Sprintf("%.2f", t.Score)})
	}
	if len(rows) > 0 {
		details += workflows.Table([]string{"trial", "kind", "candidate", "rows", "score"}, rows)
	}
	var notes []string
	for _, w := range p.Warnings {
		notes = append(notes, "\n- **Warning:** "+workflows.Cell(w))
	}
	for _, g := range p.Unusable {
		notes = append(notes, "\n- "+workflows.Cell(g.Text()))
	}
	workflow.SetCurrentDetails(ctx, details+strings.Join(notes, ""))
}
