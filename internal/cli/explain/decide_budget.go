package explain

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/money"
)

// ofBudget explains a run that waits for money.
func (f facts) ofBudget() Cause {
	switch {
	case f.budget != nil && f.state.Blocked != "":
		return f.ofShared(*f.budget)
	case f.state.Blocked != "": // of a step whose refusal the history does not have, such as training
		c := Cause{
			Code: Budget, Text: "The job waits for " + f.state.Blocked + ".", Ends: "the budget is raised or cleared, or its period ends; the job continues by itself",
			Do: []string{"cogflow budget list"},
		}
		if strings.Contains(f.state.Blocked, (&money.Blocked{Unpriced: true}).Fix()) {
			c.Code, c.Ends = UnknownPrice, "the worker's configuration has the price, or the budget is cleared"
			c.Do = []string{"cogflow budget list", "cogflow config check"}
		}
		return c
	}
	id := quoted(f.id)
	if strings.Contains(f.refused, money.UnknownPrice) {
		return Cause{
			Code: UnknownPrice, Text: "The price of a model is unknown, so nothing is spent under a hard limit: " + f.refused,
			Ends: "the worker's configuration has the price and the limit changes, or the limit is removed",
			Do:   []string{"cogflow tune " + id + " --budget 0", "cogflow config check"},
		}
	}
	text := "The budget is used up"
	if f.state.CostUSD > 0 || f.limit > 0 {
		text += ": " + format.Dollars(f.state.CostUSD) + " is paid"
		if f.limit > 0 {
			text += ", the job began with a limit of " + format.Dollars(f.limit)
		}
	}
	return Cause{
		Code: Budget, Text: text + ".", Ends: "the limit is raised",
		Do: []string{fmt.Sprintf("cogflow tune %s --budget %.2f", id, max(0.01, 2*max(f.limit, f.state.CostUSD)))},
	}
}

// ofShared explains a budget that jobs share.
func (f facts) ofShared(b money.Blocked) Cause {
	if b.Unpriced {
		return Cause{
			Code: UnknownPrice, Text: "The price of a model is unknown, so nothing is spent on it under the hard budget of " + b.Name() + ".",
			Ends: "the worker's configuration has the price, or the budget is cleared", Do: []string{"cogflow budget list", "cogflow config check"},
		}
	}
	c := Cause{
		Code: Budget, Text: "The budget of " + b.Name() + " has less left than the next step may cost, " + money.Dollars(b.Needed) + ".",
		Ends: "it is raised or cleared; the job continues by itself",
		Do:   []string{b.Budget.Command(fmt.Sprintf("%.2f", max(0.01, 2*float64(b.Budget.MicroUSD)/1e6))), "cogflow budget list"},
	}
	if !b.Ends.IsZero() {
		c.Until = at(b.Ends)
		c.Ends = "its period ends, or it is raised or cleared; the job continues by itself"
	}
	return c
}
