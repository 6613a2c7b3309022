package job

import (
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
