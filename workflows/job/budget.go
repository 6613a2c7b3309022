package job

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// validBudget checks the argument of the update set_budget.
func validBudget(usd signal.Given[float64]) error {
	if err := usd.Problem(); err != nil {
		return workflows.Typed(fault.Wrap(fault.Input, "set budget", "", err))
	}
	return workflows.Typed(CheckBudget(usd.Value))
}

// CheckBudget refuses a value that is not a limit in USD.
func CheckBudget(usd float64) error {
	return fault.Wrap(fault.Input, "set budget", "", money.CheckLimit(usd))
}

// Unpaid is a step of a run that was refused for lack of budget.
type Unpaid struct {
	By    *money.Blocked // the shared budget that has no room; nil = the limit of the run itself
	News  int            // Run.News when the step began
	Times int            // how often in a row the step was refused before
}

// AwaitBudget waits until done reports that there is more budget, or that the run ends
// without it. A run that a shared budget blocks also tries again when its period ends, when
// budgets have changed, and from time to time: the signal of a change may have been lost.
func (r *Run) AwaitBudget(ctx workflow.Context, why Unpaid, done func() bool) error {
	r.waiters++
	r.Waiting, r.Blocked = WaitBudget, why.By
	r.show(ctx)
	defer func() {
		if r.waiters--; r.waiters == 0 {
			r.Waiting, r.Blocked = "", nil
		}
	}()
	if why.By == nil {
		return workflow.Await(ctx, done)
	}
	if err := r.markBlocked(ctx, 1); err != nil {
		return err
	}
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      recheck(why),
		TimerOptions: workflow.TimerOptions{Summary: "ask the budget again"},
	}, func() bool { return done() || r.News != why.News })
	if unmarked := r.markBlocked(ctx, -1); err == nil {
		err = unmarked
	}
	return err
}

// Times between two tries of a step that a shared budget blocks.
const (
	recheckFirst = 8 * time.Second // a change may have come before the run could be found
	recheckMost  = 6 * time.Hour
	// recheckLate is added to the end of a period, so that the next one has begun by the clock
	// of the ledger.
	recheckLate = time.Second
)

// recheck is how long a step waits before it is tried again.
func recheck(why Unpaid) time.Duration {
	wait := min(recheckFirst<<min(2*why.Times, 20), recheckMost)
	if ms := why.By.EndsInMS; ms > 0 && ms < recheckMost.Milliseconds() {
		wait = min(wait, time.Duration(ms)*time.Millisecond+recheckLate)
	}
	return wait
}

// StageBudget is the stage that the search attribute of a run has while a shared budget
// blocks it. Whoever changes a budget finds such runs by it.
const StageBudget = "budget"

// markBlocked counts the steps that shared budgets block, and marks the run while there are
// any.
func (r *Run) markBlocked(ctx workflow.Context, more int) error {
	attribute := temporal.NewSearchAttributeKeyKeyword(workflows.AttrStage)
	before := r.blocked
	r.blocked += more
	switch {
	case before > 0 && r.blocked > 0:
		return nil
	case r.blocked == 0 && r.stage == "":
		return workflow.UpsertTypedSearchAttributes(ctx, attribute.ValueUnset())
	case r.blocked == 0:
		return workflow.UpsertTypedSearchAttributes(ctx, attribute.ValueSet(r.stage))
	}
	r.stage, _ = workflow.GetTypedSearchAttributes(ctx).GetKeyword(attribute)
	return workflow.UpsertTypedSearchAttributes(ctx, attribute.ValueSet(StageBudget))
}

// BlockedText says which shared budget the run waits for and what to do; empty = none.
func (r *Run) BlockedText() string {
	if r.Blocked == nil {
		return ""
	}
	return "the budget of " + r.Blocked.Name() + ": " + r.Blocked.Fix()
}
