package train

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/bounds"
	"github.com/cogniverse/cogflow/workflows/job"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// listen answers queries and takes signals and updates for as long as the run lasts.
func (r *trainRun) listen(ctx workflow.Context) error {
	err := job.Listen(ctx, &r.Run, r.in.Common, job.Handlers[Progress]{
		About: "Progress of the training: step, loss, tokens per second, cost", Progress: r.progress, Stops: true, Pays: true,
	})
	if err != nil {
		return err
	}
	signal.On(ctx, &r.Signals, train.SignalTraining, func(ctx workflow.Context, s train.Signal) error {
		if err := bounds.Training(&s); err != nil {
			return err
		}
		if err := r.unmatched(ctx, s); err != nil {
			return err
		}
		r.Report, r.Waiting = s.Report, ""
		if s.Tally != nil && newer(*s.Tally, r.Tally) {
			// Failures are counted by the attempt, whose heartbeat says them to the next.
			s.Tally.Failures, s.Tally.CostMicroUSD = r.Tally.Failures, max(r.Tally.CostMicroUSD, min(s.Tally.CostMicroUSD, r.mostCost(ctx)))
			r.Tally = *s.Tally
		}
		r.showDetails(ctx)
		return nil
	})
	return nil
}

// unmatched refuses a signal that no attempt of this run can have sent. The next attempt
// checks which ledger entries belong to the run: see settleLeft.
func (r *trainRun) unmatched(ctx workflow.Context, s train.Signal) error {
	const late = time.Minute // of one clock behind another
	steps := r.Plan.Estimate.Steps
	switch t := s.Tally; {
	case len(r.Plan.Estimate.Classes) == 0:
		return errors.New("no attempt has started")
	case t == nil:
		return nil
	case t.Seconds > (workflow.Now(ctx).Sub(r.Started) + late).Seconds():
		return errors.New("its tally has more time than the run")
	case t.MicroBatch != 0 && (t.MicroBatch > r.class().MicroBatch || t.MicroBatch*t.Accumulation != r.class().MicroBatch*r.class().Accumulation):
		return errors.New("its tally is of another batch size")
	case steps > 0 && (t.Reached > steps || t.Redone > t.Attempts*steps):
		return errors.New("its tally has more steps than the run")
	}
	return nil
}

// mostCost is what the run can have cost by now, in millionths of a USD: all its time on the
// most expensive class of the plan, twice, because estimates round. The result of an attempt
// says what the ledger has; a signal is only shown before.
func (r *trainRun) mostCost(ctx workflow.Context) int64 {
	second := 0.0
	for _, c := range r.Plan.Estimate.Classes {
		if c.CostUSD != nil && c.Seconds > 0 {
			second = max(second, *c.CostUSD/c.Seconds)
		}
	}
	return workflows.MicroUSD(2 * second * r.Elapsed(ctx).Seconds())
}

func (r *trainRun) progress() Progress {
	p := Progress{
		Method: r.in.method, Name: r.in.Name, Base: r.in.BaseModel, Tenant: r.in.Tenant, Job: r.Plan.Job,
		Stage: r.stage, Paused: r.Paused, Waiting: r.Waiting, BlockedBy: r.BlockedText(), CostUSD: workflows.USD(r.Tally.CostMicroUSD), Started: r.Started,
		Report: r.Report, IgnoredSignal: r.Signals.Ignored,
	}
	if len(r.Plan.Estimate.Classes) > 0 {
		p.GPU = r.class().Class
	}
	return p
}

// setStage changes the stage that is shown and can be searched for.
func (r *trainRun) setStage(ctx workflow.Context, stage string) error {
	entered := r.stage != stage || stage == stageCheck
	r.stage = stage
	if stage != stageTrain {
		r.Waiting = "" // for a GPU
	}
	r.showDetails(ctx)
	if !entered {
		return nil
	}
	return r.ShowStage(ctx, stage, 0, workflows.USD(r.Tally.CostMicroUSD))
}

// showDetails renders the current details of the Web UI.
func (r *trainRun) showDetails(ctx workflow.Context) {
	p := r.progress()
	status := p.Stage
	if p.Phase != "" && p.Stage == stageTrain {
		status += ": " + workflows.Cell(p.Phase)
	}
	details := fmt.Sprintf("**%s** · %s of %s · %s\n\n", workflows.Cell(p.Name), p.Method, workflows.Cell(p.Base), r.Status(status))
	if p.Total > 0 {
		loss := "–"
		if p.Loss != nil {
			loss = fmt.Sprintf("%.4f", *p.Loss)
		}
		details += workflows.Table([]string{"", "step", "epoch", "loss", "tokens/s", "time left", "checkpoint", "on"}, [][]string{{
			workflows.Bar(p.Step, p.Total), workflows.Count(p.Step, p.Total), fmt.Sprintf("%.2f", p.Epoch), loss,
			fmt.Sprintf("%.0f", p.TokensPerSecond), workflows.Clock(time.Duration(p.ETASeconds * float64(time.Second))),
			fmt.Sprint(p.Checkpoint), p.Device + " (" + p.GPU + ")",
		}})
	}
	if len(p.BaseMetrics) > 0 {
		details += "\n" + workflows.Table([]string{"held-out rows", "base", "now"}, metricRows(p.BaseMetrics, p.Metrics))
	}
	if p.Trouble != "" {
		details += "\n**" + workflows.Cell(p.Trouble) + "**\n"
	}
	details += fmt.Sprintf("\n%.4f USD, %s", p.CostUSD, workflows.Clock(r.Elapsed(ctx))) + workflows.IgnoredNote(r.Signals.Ignored)
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
