// Package accounts has the routes of money: what the calls of a tenant have cost, and its budgets.
// The ledger decides what may be spent; this package only reads it and sets limits.
package accounts

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/money"
)

// Ledger is what the routes need of the ledger.
type Ledger interface {
	Budgets(ctx context.Context) ([]money.Standing, error)
	SetBudget(ctx context.Context, b money.Budget) error
	ClearBudget(ctx context.Context, b money.Budget) (found bool, err error)
}

// Costs sums up the ledger.
type Costs interface {
	Now(ctx context.Context) (time.Time, error)
	Costs(ctx context.Context, q money.CostQuery) (money.Costs, error)
	Close() error
}

// API has the routes.
type API struct {
	Ledger Ledger
	Costs  func(ctx context.Context) (Costs, error)
	// Tell has the jobs that wait for a budget try again, and counts them.
	Tell func(ctx context.Context, s money.Scope) (int, error)
}

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	route := func(method, path, name, summary string, request, response any, query []api.Param, handle api.Handler) api.Route {
		return api.Route{
			Method: method, Path: path, Name: name, Tag: "money", Summary: summary, Request: request, Response: response, Query: query,
			Errors: []int{http.StatusBadGateway}, Handle: handle,
		}
	}
	remove := route(http.MethodDelete, "/budgets", "clearBudget", "Remove a budget of the tenant; for operators", nil, Changed{}, budgetParams(), a.clear)
	remove.Errors = append(remove.Errors, http.StatusNotFound)
	return []api.Route{
		route(http.MethodGet, "/costs", "listCosts", "What the calls of the tenant have cost", nil, money.CostReport{}, costParams(), a.costs),
		route(http.MethodGet, "/budgets", "listBudgets", "Budgets of the tenant, what is spent of them and what is left", nil, Budgets{}, nil, a.budgets),
		route(http.MethodPut, "/budgets", "setBudget", "Set a budget of the tenant, or change its amount; for operators", Budget{}, Changed{}, nil, a.set),
		remove,
	}
}

func costParams() []api.Param {
	return []api.Param{
		{Name: "by", Text: "workflow, job, model, gpu, day or kind (default model); can be repeated"},
		{Name: "since", Text: "calls that began at or after this time: an age such as 30d (default), a day, RFC 3339, or all"},
		{Name: "until", Text: "calls that began before this time"},
		{Name: "limit", Text: "maximum number of rows, most expensive first, 1 to 1000; default 100"},
	}
}

const (
	shownRows = 100
	maxRows   = 1000
)

// costs sums up the calls of the caller's tenant.
func (a *API) costs(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	values := api.Query(r, costParams(), "by")
	q := money.CostQuery{Tenant: string(c.Tenant), Limit: int(values.Int("limit", shownRows, 1, maxRows))}
	if err := values.Err(); err != nil {
		return err
	}
	for _, name := range values.List("by") {
		by := money.Dimension(name)
		if !slices.Contains(money.Dimensions(), by) {
			return api.BadField("by", "by must be workflow, job, model, gpu, day or kind")
		}
		if !slices.Contains(q.By, by) {
			q.By = append(q.By, by)
		}
	}
	if len(q.By) == 0 {
		q.By = []money.Dimension{money.ByModel}
	}
	ctx := r.Context()
	ledger, err := a.Costs(ctx)
	if err != nil {
		return err
	}
	defer ledger.Close()
	now, err := ledger.Now(ctx)
	if err != nil {
		return err
	}
	since := values.Text("since")
	if since == "" {
		since = "30d"
	}
	if q.Since, err = money.Moment(since, now); err != nil {
		return api.BadField("since", "since "+err.Error())
	}
	if q.Until, err = money.Moment(values.Text("until"), now); err != nil {
		return api.BadField("until", "until "+err.Error())
	}
	out, err := ledger.Costs(ctx, q)
	if err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusOK, out.Report(q))
	return nil
}
