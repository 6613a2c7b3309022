package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workflows/bounds"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// listen answers queries and takes signals and updates for as long as the run lasts.
func (r *trainRun) listen(ctx workflow.Context) error {
	r.caller, r.Budget = newCaller(r.in.Common), r.in.BudgetUSD
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryProgress,
		func() (TrainProgress, error) { return r.progress(), nil },
		workflow.QueryHandlerOptions{Description: "Progress of the training: step, loss, tokens per second, cost"})
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
	signal.OnName(ctx, SignalPause, func(ctx workflow.Context) { r.Paused = true; r.show(ctx) })
	signal.OnName(ctx, SignalResume, func(ctx workflow.Context) { r.Paused = false; r.show(ctx) })
	signal.OnName(ctx, SignalStop, func(ctx workflow.Context) { r.Finish = true; r.Stops++; r.show(ctx) })
	r.signals.Show = r.show
	signal.On(ctx, &r.signals, train.SignalTraining, func(ctx workflow.Context, s train.Signal) error {
		if err := bounds.Training(&s); err != nil {
			return err
		}
		if err := r.unmatched(ctx, s); err != nil {
			return err
		}
		r.Report, r.waiting = s.Report, ""
		if s.Tally != nil && newer(*s.Tally, r.Tally) {
			r.Tally = *s.Tally
		}
		r.show(ctx)
		return nil
	})
	return nil
}

// unmatched refuses a signal that no attempt of this run can have sent. Which entries of
// the ledger are the run's own, the next attempt finds out: see settleLeft.
func (r *trainRun) unmatched(ctx workflow.Context, s train.Signal) error {
	const late = time.Minute // of one clock behind another
	switch t := s.Tally; {
	case len(r.Plan.Estimate.Classes) == 0:
		return errors.New("no attempt has started")
	case t == nil:
		return nil
	case t.Seconds > (workflow.Now(ctx).Sub(r.Started) + late).Seconds():
		return errors.New("its tally has more time than the run")
	case t.MicroBatch != 0 && (t.MicroBatch > r.class().MicroBatch || t.MicroBatch*t.Accumulation != r.class().MicroBatch*r.class().Accumulation):
		return errors.New("its tally is of another batch size")
	}
	return nil
}

func (r *trainRun) progress() TrainProgress {
	p := TrainProgress{
		Method: r.in.method, Name: r.in.Name, Base: r.in.BaseModel, Tenant: r.in.Tenant, Job: r.Plan.Job,
		Stage: r.stage, Paused: r.Paused, Waiting: r.waiting, CostUSD: usd(r.Tally.CostMicroUSD), Started: r.Started,
		Report: r.Report, IgnoredSignal: r.signals.Ignored,
	}
	if len(r.Plan.Estimate.Classes) > 0 {
		p.GPU = r.class().Class
	}
	return p
}

// tell enters a stage: it is shown and can be searched for.
func (r *trainRun) tell(ctx workflow.Context, stage string) error {
	entered := r.stage != stage || stage == stageCheck
	r.stage = stage
	r.show(ctx)
	if !entered {
		return nil
	}
	return story(ctx, stage, 0, usd(r.Tally.CostMicroUSD))
}

// show renders the current details of the Web UI.
func (r *trainRun) show(ctx workflow.Context) {
	p := r.progress()
	status := p.Stage
	if p.Phase != "" && p.Stage == stageTrain {
		status += ": " + cell(p.Phase)
	}
	switch {
	case p.Paused:
		status += ", paused (signal `resume` continues)"
	case p.Waiting == string(fault.Budget):
		status += ", waiting for budget (update `set_budget` raises it)"
	case p.Waiting != "" && p.Stage == stageTrain:
		status += ", **waiting for " + cell(p.Waiting) + "**"
	}
	if r.Finish {
		status += ", stopping with the best so far"
	}
	details := fmt.Sprintf("**%s** · %s of %s · %s\n\n", cell(p.Name), p.Method, cell(p.Base), status)
	if p.Total > 0 {
		loss := "–"
		if p.Loss != nil {
			loss = fmt.Sprintf("%.4f", *p.Loss)
		}
		details += table([]string{"", "step", "epoch", "loss", "tokens/s", "rest", "checkpoint", "on"}, [][]string{{
			bar(p.Step, p.Total), count(p.Step, p.Total), fmt.Sprintf("%.2f", p.Epoch), loss,
			fmt.Sprintf("%.0f", p.TokensPerSecond), clock(time.Duration(p.ETASeconds * float64(time.Second))),
			fmt.Sprint(p.Checkpoint), p.Device + " (" + p.GPU + ")",
		}})
	}
	if len(p.BaseMetrics) > 0 {
		details += "\n" + table([]string{"held-out rows", "base", "now"}, metricRows(p.BaseMetrics, p.Metrics))
	}
	if p.Trouble != "" {
		details += "\n**" + cell(p.Trouble) + "**\n"
	}
	details += fmt.Sprintf("\n%.4f USD, %s", p.CostUSD, clock(workflow.Now(ctx).Sub(p.Started))) + ignoredNote(r.signals.Ignored)
	workflow.SetCurrentDetails(ctx, details)
}

func metricRows(base, now map[string]float64) [][]string {
	var rows [][]string
	for _, name := range workflow.DeterministicKeys(base) {
		value := "–"
		if v, ok := now[name]; ok {
			value = fmt.Sprintf("%.4f", v)
		}
		rows = append(rows, []string{name, fmt.Sprintf("%.4f", base[name]), value})
	}
	return rows
}
