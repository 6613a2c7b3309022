package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
)

// The stages of an optimization, as people see them.
const (
	stagePrepare   = "prepare"
	stageBootstrap = "bootstrap"
	stagePropose   = "propose"
	stageSearch    = "search"
	stageReflect   = "reflect"
	stageConfirm   = "confirm"
)

// Statuses and waits of an optimization.
const (
	statusOptimized = "optimized"
	waitApproval    = "approval"
)

// optimizeState is what a run knows; continue-as-new hands it on.
type optimizeState struct {
	Plan    optimize.Plan        `json:"plan"`
	Stage   string               `json:"stage"` // to go on with
	Trials  []optimize.TrialLine `json:"trials"`
	Final   bool                 `json:"final,omitempty"` // the reflection is done
	Asked   optimize.Asked       `json:"asked"`
	Budget  float64              `json:"budget"`
	Paused  bool                 `json:"paused,omitempty"`
	Enough  bool                 `json:"enough,omitempty"` // stop searching, keep the best
	Started time.Time            `json:"started"`
	Chain   string               `json:"chain"`
}

// optimizeContinuation is the input of a continued run.
type optimizeContinuation struct {
	OptimizeInput
	Resume *optimizeState `json:"resume,omitempty"`
}

// optimizeRun is the state of one OptimizePrompts run.
type optimizeRun struct {
	caller
	optimizeState
	in       OptimizeInput
	a        *optimize.Activities
	waiting  string
	approval *bool // what a person said
	stops    int   // signals that asked this run to stop
}

// OptimizePrompts finds better instructions and demos for a program:
// prepare → bootstrap → propose → search (→ reflect → search) → confirm → publish.
func OptimizePrompts(ctx workflow.Context, in OptimizeInput) (OptimizeResult, error) {
	r := &optimizeRun{in: in}
	r.Started, r.Chain, r.Stage = workflow.Now(ctx), chain(ctx), stagePrepare
	result, err := r.run(ctx)
	if err != nil && !workflow.IsContinueAsNewError(err) {
		err = staged(r.Stage, ended(ctx, err))
	}
	return result, err
}

// run is the recipe.
func (r *optimizeRun) run(ctx workflow.Context) (OptimizeResult, error) {
	if err := r.in.check(ctx); err != nil {
		return OptimizeResult{}, typed(err)
	}
	if err := r.listen(ctx); err != nil {
		return OptimizeResult{}, err
	}
	state, err := handedOn(ctx, r.in.received.resume, func(s optimizeState) string { return s.Chain })
	if err == nil && state != nil {
		err = state.check()
	}
	if err != nil {
		return OptimizeResult{}, typed(err)
	}
	if state != nil {
		budget := r.Budget // the input has it, where whoever checks inputs sees it
		r.optimizeState = *state
		r.Budget = budget
	} else if err := r.prepare(ctx); err != nil {
		return OptimizeResult{}, err
	}
	if r.in.DryRun {
		plan := r.Plan
		return OptimizeResult{Program: r.Plan.Name, Job: r.Plan.Job, Status: statusDryRun, Plan: &plan}, r.enter(ctx, stageDone)
	}
	done, err := call(r.metadata(ctx, "claim the job"), r.a.ClaimOptimize, r.job())
	if err != nil {
		return OptimizeResult{}, err
	}
	if len(done.Result) > 0 {
		return r.unchanged(ctx, done.Result)
	}
	result, err := r.optimize(ctx)
	if workflow.IsContinueAsNewError(err) {
		return OptimizeResult{}, err
	}
	if err != nil {
		free, _ := workflow.NewDisconnectedContext(ctx)
		released := r.finish(free, nil)
		if released == nil {
			released = r.account(ctx)
		}
		if released != nil {
			return OptimizeResult{}, temporal.NewNonRetryableApplicationError(
				reason(err)+"; and cleaning up failed: "+reason(released), classOf(err), err)
		}
		return OptimizeResult{}, err
	}
	if result.Status == statusStopped {
		return result, r.finish(ctx, nil) // somebody may want to search on
	}
	return result, r.finish(ctx, &result)
}

// account makes the cost of a run that failed or was cancelled the ledger's.
func (r *optimizeRun) account(ctx workflow.Context) error {
	spend, known, err := finalCost(ctx, r.caller, ingest.SpendInput{Tenant: tenant.ID(r.in.Tenant), Job: r.Chain})
	if !known {
		return err
	}
	r.Asked.Calls, r.Asked.CostMicroUSD = spend.Calls, spend.CostMicroUSD
	r.show(ctx)
	return story(ctx, r.Stage, 1, usd(r.Asked.CostMicroUSD))
}

// prepare checks everything and quotes the cost before the first call.
func (r *optimizeRun) prepare(ctx workflow.Context) error {
	if err := describeRun(ctx, "OptimizePrompts", r.in.Common, ""); err != nil {
		return err
	}
	if err := r.enter(ctx, stagePrepare); err != nil {
		return err
	}
	var err error
	r.Plan, err = call(r.media(ctx, "check the program and its examples"), r.a.PrepareOptimize, optimize.PrepareInput{
		Tenant: tenant.ID(r.in.Tenant), Name: r.in.Name, Program: r.in.Program, Trainset: r.in.Trainset, Valset: r.in.Valset,
		Testset: r.in.Testset, Metric: r.in.Metric, Mode: r.in.Mode, Settings: r.in.Settings, BudgetUSD: r.Budget,
	})
	if err == nil {
		r.Stage = stageBootstrap
	}
	return err
}

// optimize goes through the stages from the one at hand on.
func (r *optimizeRun) optimize(ctx workflow.Context) (OptimizeResult, error) {
	err := r.stages(ctx)
	switch {
	case errors.Is(err, errUnpaid) && len(r.Trials) == 0:
		return r.nothing(ctx)
	case err != nil && !errors.Is(err, errUnpaid):
		return OptimizeResult{}, err
	}
	return r.publish(ctx)
}

// stages searches for something better.
func (r *optimizeRun) stages(ctx workflow.Context) error {
	if r.Stage == stageBootstrap {
		if err := r.ask(ctx, stageBootstrap, "bootstrap demos with the teacher", func(ctx workflow.Context) (optimize.Asked, error) {
			return call(ctx, r.a.BootstrapDemos, r.spender())
		}); err != nil {
			return err
		}
		r.Stage = stagePropose
	}
	if r.Stage == stagePropose {
		if err := r.ask(ctx, stagePropose, "propose instructions", func(ctx workflow.Context) (optimize.Asked, error) {
			return call(ctx, r.a.ProposeInstructions, r.spender())
		}); err != nil {
			return err
		}
		r.Stage = stageSearch
	}
	return r.search(ctx)
}

// search makes trial after trial; in improved mode it learns from failures in between.
func (r *optimizeRun) search(ctx workflow.Context) error {
	if r.Stage == stageReflect && !r.Enough && goesOnReflecting(ctx) {
		if err := r.reflect(ctx); err != nil {
			return err
		}
	}
	for r.Stage == stageSearch && (!r.Enough || len(r.Trials) == 0) {
		var step optimize.Searched
		err := r.ask(ctx, stageSearch, r.nextTrial(), func(ctx workflow.Context) (optimize.Asked, error) {
			var err error
			step, err = call(ctx, r.a.SearchTrials, r.step())
			return step.Asked, err
		})
		if err != nil {
			return err
		}
		r.Trials = append(r.Trials, step.Trials...)
		r.show(ctx)
		if !step.Done {
			continue
		}
		if r.in.Mode != optimize.ModeImproved || r.Final {
			return nil
		}
		if err := r.reflect(ctx); err != nil {
			return err
		}
	}
	return nil
}

// reflect has new instructions written; the search goes on with them.
func (r *optimizeRun) reflect(ctx workflow.Context) error {
	err := r.ask(ctx, stageReflect, "learn from failures of the best so far", func(ctx workflow.Context) (optimize.Asked, error) {
		return call(ctx, r.a.ReflectOnFailures, r.step())
	})
	if err == nil {
		r.Final, r.Stage = true, stageSearch
	}
	return err
}

// goesOnReflecting: a run that was continued while its reflection waited for money
// used to skip the rest of the search. One that did goes on as it has begun.
func goesOnReflecting(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "reflect-after-continue", workflow.DefaultVersion, 1) != workflow.DefaultVersion
}

// ask runs an activity that pays for answers: when nothing keeps it from it, and
// again when a limit that stopped it is raised. What was answered is stored, so
// the second time costs only the rest.
func (r *optimizeRun) ask(ctx workflow.Context, stage, summary string, do func(workflow.Context) (optimize.Asked, error)) error {
	for {
		if r.mustContinue(ctx) {
			return r.continueAsNew(ctx)
		}
		if err := r.enter(ctx, stage); err != nil {
			return err
		}
		if err := workflow.Await(ctx, func() bool { return !r.Paused || r.Enough }); err != nil {
			return err
		}
		limit := r.Budget
		asked, err := do(r.asking(ctx, summary))
		r.Asked.Answers += asked.Answers
		if s := asked.Spend; s != nil { // the ledger knows more than this result: calls of attempts that were lost
			r.Asked.Calls, r.Asked.CostMicroUSD = s.Calls, s.CostMicroUSD
		} else {
			r.Asked.Calls += asked.Calls
			r.Asked.CostMicroUSD += asked.CostMicroUSD
		}
		if err == nil || classOf(err) != string(fault.Budget) {
			return err
		}
		r.waiting = string(fault.Budget)
		r.show(ctx)
		if err := r.awaitBudget(ctx, limit); err != nil {
			return err
		}
	}
}

// errUnpaid: the run was asked to stop, and what it would do next costs more than it may.
var errUnpaid = errors.New("the run was asked to stop before the budget was raised")

// awaitBudget waits for another limit than the one that was reached, or until the run
// is asked to stop. The first build did not hear that while it waited.
func (r *optimizeRun) awaitBudget(ctx workflow.Context, reached float64) error {
	defer func() { r.waiting = "" }()
	err := workflow.Await(ctx, func() bool { return r.Budget != reached || r.Enough })
	if err != nil || r.Budget != reached {
		return err
	}
	if workflow.GetVersion(ctx, changeStopsUnpaid, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return workflow.Await(ctx, func() bool { return r.Budget != reached })
	}
	return errUnpaid
}

// changeStopsUnpaid is the version of runs that can be stopped while they wait.
const changeStopsUnpaid = "optimize-stops-while-waiting"

// nothing is the result of a run that was stopped before its first trial: the best so
// far is the program as it was, so there is nothing to publish.
func (r *optimizeRun) nothing(ctx workflow.Context) (OptimizeResult, error) {
	return OptimizeResult{
		Program: r.Plan.Name, Job: r.Plan.Job, Status: statusStopped, Kept: true,
		Calls: r.Asked.Calls, CostUSD: usd(r.Asked.CostMicroUSD),
	}, r.enter(ctx, stageDone)
}

// confirm compares the best with the program as it was. When nobody pays for that any
// more, the best is published without.
func (r *optimizeRun) confirm(ctx workflow.Context) (confirmed optimize.Confirmed, err error) {
	in := optimize.ConfirmInput{}
	err = r.ask(ctx, stageConfirm, "confirm on rows that the search never saw", func(ctx workflow.Context) (optimize.Asked, error) {
		var err error
		in.SearchStep = r.step()
		confirmed, err = call(ctx, r.a.ConfirmBest, in)
		return confirmed.Asked, err
	})
	if errors.Is(err, errUnpaid) {
		in.SearchStep, in.Unpaid = r.step(), true
		return call(r.asking(ctx, "take the best so far, unconfirmed"), r.a.ConfirmBest, in)
	}
	return confirmed, err
}

func (r *optimizeRun) job() activities.JobInput {
	return activities.JobInput{Tenant: tenant.ID(r.in.Tenant), Job: r.Plan.Job}
}

func (r *optimizeRun) spender() optimize.Spender {
	return optimize.Spender{
		Tenant: tenant.ID(r.in.Tenant), Job: r.Plan.Job, Ledger: r.Chain, LimitMicroUSD: micro(r.Budget),
	}
}

func (r *optimizeRun) step() optimize.SearchStep {
	return optimize.SearchStep{Spender: r.spender(), Made: len(r.Trials), Final: r.Final}
}

func (r *optimizeRun) mustContinue(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() > maxEvents
}

func (r *optimizeRun) continueAsNew(ctx workflow.Context) error {
	if err := settleDown(ctx); err != nil {
		return err
	}
	in := optimizeContinuation{OptimizeInput: r.in}
	in.BudgetUSD = r.Budget
	state := r.optimizeState
	in.Resume = &state
	return workflow.NewContinueAsNewError(ctx, "OptimizePrompts", in)
}
