// Package job is the control of a long run: how people pause, resume and stop it and change
// its budget, how it answers for its progress, and how it goes on in a new run when its
// history is long. It knows no pipeline.
package job

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// What a run may wait for, where more than one kind of job does.
const (
	WaitBudget   = string(fault.Budget)
	WaitPerson   = "a person to resume it"
	WaitApproval = "approval"
)

// The last stages of every job, as people see them.
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

// Run is what people steer of a long run, and what it is known by. It stays the same
// when the run continues as new: each pipeline hands it on in its own state.
type Run struct {
	workflows.Caller
	ID      string     // of the job, which budget and ledger count by: the first run of the chain
	Started time.Time  // of the first run
	Budget  float64    // hard limit in USD; 0 = none
	Paused  bool       // true after pause, until resume
	Enough  bool       // true after stop: end, and keep the best so far
	Stops   int        // signals that asked for it
	Waiting string     // what the run waits for, as people read it; empty = nothing
	Signals signal.Log // what it ignored

	show func(workflow.Context)
}

// New is the control of a run that begins now with an input.
func New(ctx workflow.Context, show func(workflow.Context)) Run {
	return Run{ID: Chain(ctx), Started: workflow.Now(ctx), Signals: signal.Log{Show: show}, show: show}
}

// Handlers are what a job does when people ask or steer.
type Handlers[P any] struct {
	About    string                                         // what the query answers, for the Web UI
	Progress func() P                                       // answers the query
	Stops    bool                                           // it takes the signal stop
	Passed   func(ctx workflow.Context, name string, v any) // passes on what was asked for; nil = to nobody
}

// Listen answers the progress query, and takes the signals and the budget that every
// long run takes, for as long as it lasts.
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
	if h.Stops {
		signal.OnName(ctx, workflows.SignalStop, func(ctx workflow.Context) { r.Enough = true; r.Stops++; r.show(ctx) })
	}
	return nil
}

// AwaitBudget waits for more money until done says that there is, or that the run is to
// end without.
func (r *Run) AwaitBudget(ctx workflow.Context, done func() bool) error {
	r.Waiting = WaitBudget
	r.show(ctx)
	defer func() { r.Waiting = "" }()
	return workflow.Await(ctx, done)
}

// Status says where the run stands, and what people can do about it.
func (r *Run) Status(stage string) string {
	if r.Paused {
		stage += ", paused (signal `resume` continues)"
	}
	switch r.Waiting {
	case "", WaitPerson: // said above
	case WaitBudget:
		stage += ", waiting for budget (update `set_budget` raises it)"
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
