// Package job controls a long run: it records pause, resume, stop and budget changes,
// on which each recipe acts, answers the progress query, and continues as new when the
// history is long. It knows no pipeline.
package job

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// What more than one kind of job may wait for.
const (
	WaitBudget   = string(fault.Budget)
	WaitPerson   = "a person to resume it"
	WaitApproval = "approval"
)

// The last stages of every job: values of CogStage, and words in the Web UI.
const (
	StagePublish = "publish"
	StageReport  = "report"
	StageDone    = "done"
)

// Statuses that results of more than one kind of job have.
const (
	StatusUnchanged = "unchanged" // nothing was to be done
	StatusStopped   = "stopped"   // the best so far
	StatusDryRun    = "dry_run"
)

// Run is the identity of a long run and the state that people control. It stays the same
// when the run continues as new: each pipeline hands it on in its own state.
type Run struct {
	workflows.Caller
	ID      string     // of the job, as budget and ledger know it: the first run of the chain
	Started time.Time  // of the first run
	Budget  float64    // hard limit in USD; 0 = none
	DryRun  bool       // it only says what a job would do
	Paused  bool       // true after pause, until resume
	Enough  bool       // true after stop: end the run and keep the best so far
	Stops   int        // number of stop signals
	Waiting string     // what the run waits for, as people read it; empty = nothing
	Signals signal.Log // invalid signals

	Blocked *money.Blocked // the shared budget that the run waits for; nil = none
	News    int            // number of signals that shared budgets have changed

	show    func(workflow.Context)
	stage   string // as it can be searched for
	waiters int    // steps that wait for any budget
	blocked int    // of them, for a shared one
}

// New is the control of a run that starts now.
func New(ctx workflow.Context, show func(workflow.Context)) Run {
	return Run{ID: Chain(ctx), Started: workflow.Now(ctx), Signals: signal.Log{Show: show}, show: show}
}

// Handlers are what a pipeline does on queries and signals.
type Handlers[P any] struct {
	About    string                                         // description of the query for the Web UI
	Progress func() P                                       // answers the query
	Stops    bool                                           // true if the job takes the signal stop
	Pays     bool                                           // true if the job pays for calls, and so may wait for a shared budget
	Passed   func(ctx workflow.Context, name string, v any) // forwards a signal; nil = it is not forwarded
}

// Listen handles the progress query, and the signals and updates that every long run takes.
func Listen[P any](ctx workflow.Context, r *Run, in workflows.Common, h Handlers[P]) error {
	r.Caller, r.Budget = workflows.NewCaller(in), in.BudgetUSD
	if h.Passed == nil {
		h.Passed = func(workflow.Context, string, any) {}
	}
	err := workflow.SetQueryHandlerWithOptions(ctx, workflows.QueryProgress, func() (P, error) { return h.Progress(), nil },
		workflow.QueryHandlerOptions{Description: h.About})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateBudget,
		func(ctx workflow.Context, usd signal.Given[float64]) error {
			r.Budget = usd.Value
			h.Passed(ctx, workflows.SignalBudget, usd.Value)
			r.show(ctx)
			return nil
		},
		workflow.UpdateHandlerOptions{Validator: validBudget, Description: "New hard limit in USD, 0 = none"})
	if err != nil {
		return err
	}
	pause := func(name string, paused bool) {
		signal.OnName(ctx, name, func(ctx workflow.Context) {
			r.Paused = paused
			h.Passed(ctx, name, nil)
			r.show(ctx)
		})
	}
	pause(workflows.SignalPause, true)
	pause(workflows.SignalResume, false)
	if h.Pays {
		signal.OnName(ctx, workflows.SignalBudgets, func(workflow.Context) { r.News++ })
	}
	if h.Stops {
		signal.OnName(ctx, workflows.SignalStop, func(ctx workflow.Context) { r.Enough = true; r.Stops++; r.show(ctx) })
	}
	return nil
}

// ShowStage sets the search attributes that say how far the run is. Every stage of a dry run is
// StageDryRun.
func (r *Run) ShowStage(ctx workflow.Context, stage string, failed int, costUSD float64) error {
	if r.DryRun {
		stage = workflows.StageDryRun
	}
	r.stage = stage
	return workflows.SetStage(ctx, stage, failed, costUSD)
}

// Status is the stage for people, with what the run waits for and what to do about it.
func (r *Run) Status(stage string) string {
	if r.DryRun {
		stage = "dry run: " + stage
	}
	if r.Paused {
		stage += ", paused (signal `resume` continues)"
	}
	switch r.Waiting {
	case "", WaitPerson: // said above
	case WaitBudget:
		if r.Blocked != nil {
			stage += ", waiting for " + workflows.Cell(r.BlockedText())
		} else {
			stage += ", waiting for budget (update `set_budget` raises it)"
		}
	case WaitApproval:
		stage += ", waiting for approval (update `approve`)"
	default:
		stage += ", **waiting for " + workflows.Cell(r.Waiting) + "**"
	}
	if r.Enough {
		stage += ", stopping with the best so far"
	}
	return stage
}

// Elapsed is the time since the first run of the chain began.
func (r *Run) Elapsed(ctx workflow.Context) time.Duration { return workflow.Now(ctx).Sub(r.Started) }
