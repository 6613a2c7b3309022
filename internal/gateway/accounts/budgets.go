package accounts

import (
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/money"
)

// Budgets are those that the caller may see.
type Budgets struct {
	Budgets []money.BudgetReport `json:"budgets"`
	// Changeable is whether the caller may set and clear budgets of its tenant.
	Changeable bool `json:"changeable"`
}

// Budget is a budget of the caller's tenant.
type Budget struct {
	USD    float64 `json:"usd" jsonschema:"amount; 0 = nothing may be spent"`
	Model  string  `json:"model,omitempty" jsonschema:"only for this model, as the ledger names it"`
	Period string  `json:"period,omitempty" jsonschema:"day, month (default) or total; days and months are those of UTC"`
	Soft   bool    `json:"soft,omitempty" jsonschema:"a budget that stops nothing"`
}

// Changed is a budget after a change.
type Changed struct {
	Done   string              `json:"done" jsonschema:"set or clear"`
	Budget *money.BudgetReport `json:"budget,omitempty"`
	Told   int                 `json:"told" jsonschema:"waiting jobs that try again now"`
	Error  string              `json:"error,omitempty" jsonschema:"why waiting jobs could not be told; they try again by themselves"`
}

func budgetParams() []api.Param {
	return []api.Param{
		{Name: "model", Text: "only for this model"},
		{Name: "period", Text: "day, month (default) or total"},
		{Name: "soft", Text: "true = the budget that stops nothing"},
	}
}

// budgets lists the budgets of the tenant. Those of its organisation and of models show what others
// have spent, so only operators see them.
func (a *API) budgets(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	if err := api.Query(r, nil).Err(); err != nil {
		return err
	}
	all, err := a.Ledger.Budgets(r.Context())
	if err != nil {
		return err
	}
	out := Budgets{Budgets: []money.BudgetReport{}, Changeable: c.Local}
	for _, s := range all {
		if s.Tenant == string(c.Tenant) || c.Local && s.Covers(string(c.Tenant), s.Model) {
			out.Budgets = append(out.Budgets, s.Report())
		}
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

// operator refuses callers of other hosts: a budget is there to limit the holder of a key, so a key
// does not raise it.
func operator(c api.Caller) error {
	if c.Local {
		return nil
	}
	return api.Fail(http.StatusForbidden, "operators_only", "budgets are changed on the gateway's own host only: at a loopback listener, or with `cogflow budget set`")
}

// scoped is a budget of the caller's tenant.
func scoped(c api.Caller, model, period string, soft bool) (money.Budget, error) {
	b := money.Budget{Scope: money.Scope{Tenant: string(c.Tenant), Model: model}, Period: money.Month, Soft: soft}
	if period != "" {
		b.Period = money.Period(period)
	}
	if !slices.Contains(money.Periods(), b.Period) {
		return b, api.BadField("period", "period must be day, month or total")
	}
	const most = 512 // bytes
	if len(model) > most || strings.ContainsFunc(model, func(r rune) bool { return r < ' ' }) {
		return b, api.BadField("model", "model must be a name of at most 512 bytes")
	}
	return b, nil
}

func (a *API) set(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	if err := operator(c); err != nil {
		return err
	}
	in := Budget{USD: math.NaN()}
	if err := api.Decode(r, &in); err != nil {
		return err
	}
	if !(in.USD >= 0) || money.CheckLimit(in.USD) != nil { // NaN, too
		return api.BadField("usd", "usd is required: an amount from 0 to 9000000000000")
	}
	b, err := scoped(c, in.Model, in.Period, in.Soft)
	if err != nil {
		return err
	}
	b.MicroUSD = money.Limit(in.USD)
	if err := a.Ledger.SetBudget(r.Context(), b); err != nil {
		return err
	}
	return a.done(w, r, b, "set")
}

func (a *API) clear(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	if err := operator(c); err != nil {
		return err
	}
	q := api.Query(r, budgetParams())
	soft := q.Word("soft", "false", "true", "false") == "true"
	if err := q.Err(); err != nil {
		return err
	}
	b, err := scoped(c, q.Text("model"), q.Text("period"), soft)
	if err != nil {
		return err
	}
	found, err := a.Ledger.ClearBudget(r.Context(), b)
	if err != nil {
		return err
	}
	if !found {
		return api.Fail(http.StatusNotFound, "not_found", "there is no such budget; GET /budgets lists them")
	}
	return a.done(w, r, b, "clear")
}

// done tells jobs that wait, and answers what was changed. The change is made, whether or not the
// jobs could be told.
func (a *API) done(w http.ResponseWriter, r *http.Request, b money.Budget, what string) error {
	out := Changed{Done: what}
	all, err := a.Ledger.Budgets(r.Context())
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Same(b) {
			report := s.Report()
			out.Budget = &report
		}
	}
	if !b.Soft { // nobody waits for a soft one
		if out.Told, err = a.Tell(r.Context(), b.Scope); err != nil {
			out.Error = api.Of(err).Message
		}
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}
