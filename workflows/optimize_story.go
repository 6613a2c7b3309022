package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// listen answers queries and takes signals and updates for as long as the run lasts.
func (r *optimizeRun) listen(ctx workflow.Context) error {
	r.caller, r.Budget = newCaller(r.in.Common), r.in.BudgetUSD
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryProgress,
		func() (OptimizeProgress, error) { return r.progress(), nil },
		workflow.QueryHandlerOptions{Description: "Trials, the best so far, calls and cost"})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateBudget,
		func(ctx workflow.Context, usd signal.Given[float64]) error {
			r.Budget = usd.Value
			r.show(ctx)
			return nil
		},
		workflow.UpdateHandlerOptions{Validator: validBudget, Description: "New hard limit in USD, 0 = none"})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateApprove,
		func(ctx workflow.Context, yes signal.Given[bool]) error {
			r.approval = &yes.Value
			r.show(ctx)
			return nil
		},
		workflow.UpdateHandlerOptions{Validator: r.mayApprove, Description: "true promotes the better program, false does not"})
	if err != nil {
		return err
	}
	signal.OnName(ctx, SignalPause, func(ctx workflow.Context) { r.Paused = true; r.show(ctx) })
	signal.OnName(ctx, SignalResume, func(ctx workflow.Context) { r.Paused = false; r.show(ctx) })
	signal.OnName(ctx, SignalStop, func(ctx workflow.Context) { r.Enough = true; r.stops++; r.show(ctx) })
	return nil
}

func (r *optimizeRun) mayApprove(yes signal.Given[bool]) error {
	if err := yes.Problem(); err != nil {
		return typed(fault.Wrap(fault.Input, "approve program", r.Plan.Name, err))
	}
	if r.waiting != waitApproval {
		return typed(fault.New(fault.Input, "approve program", r.Plan.Name, "it is not waiting for approval"))
	}
	return nil
}

func (r *optimizeRun) progress() OptimizeProgress {
	p := OptimizeProgress{
		Name: r.Plan.Name, Tenant: r.in.Tenant, Mode: r.in.Mode, Job: r.Plan.Job, Stage: r.Stage, Paused: r.Paused, Waiting: r.waiting,
		Trials: r.Trials, Planned: r.Plan.Trials, Answers: r.Asked.Answers, Calls: r.Asked.Calls,
		CostUSD: usd(r.Asked.CostMicroUSD), Started: r.Started,
	}
	var standing search.Standing
	for _, t := range r.Trials {
		if t.Kind == search.DefaultTrial {
			p.Default = t.Score
		}
		p.Best = standing.Add(t.Kind, t.Choice, t.Rows, t.Score)
	}
	return p
}

// enter goes to a stage: it is shown and can be searched for.
func (r *optimizeRun) enter(ctx workflow.Context, stage string) error {
	entered := r.Stage != stage || stage == stagePrepare || stage == stageBootstrap
	r.Stage = stage
	r.show(ctx)
	if !entered {
		return nil
	}
	return story(ctx, stage, 0, usd(r.Asked.CostMicroUSD))
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

// shownTrials is how many of the last trials the current details show.
const shownTrials = 12

// show renders the current details of the Web UI.
func (r *optimizeRun) show(ctx workflow.Context) {
	p := r.progress()
	status := p.Stage
	switch {
	case p.Paused:
		status += ", paused (signal `resume` continues)"
	case p.Waiting == string(fault.Budget):
		status += ", waiting for budget (update `set_budget` raises it)"
	case p.Waiting == waitApproval:
		status += ", waiting for approval (update `approve`)"
	}
	if r.Enough {
		status += ", stopping with the best so far"
	}
	details := fmt.Sprintf("**%s** · %s · %s\n\n%s %s trials, %d answers, %d calls, %.4f USD, %s\n\n", cell(p.Name), p.Mode, status,
		bar(len(p.Trials), p.Planned+1), count(len(p.Trials), p.Planned+1), p.Answers, p.Calls, p.CostUSD,
		clock(workflow.Now(ctx).Sub(p.Started)))
	var rows [][]string
	for _, t := range p.Trials[max(0, len(p.Trials)-shownTrials):] {
		rows = append(rows, []string{fmt.Sprint(t.Number), string(t.Kind), t.Choice, fmt.Sprint(t.Rows), fmt.Sprintf("%.2f", t.Score)})
	}
	if len(rows) > 0 {
		details += table([]string{"trial", "kind", "candidate", "rows", "score"}, rows)
	}
	workflow.SetCurrentDetails(ctx, details)
}
