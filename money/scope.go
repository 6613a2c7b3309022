package money

import (
	"errors"
	"strings"
	"time"
)

// OrgOf is the organisation of a tenant: "org" of "org:team", otherwise the tenant itself.
func OrgOf(tenant string) string {
	org, _, _ := strings.Cut(tenant, ":")
	return org
}

// Scope is whose spend a budget limits: all of an organisation, of a tenant, of a model, or of
// a model for one of them. An empty part matches everything.
type Scope struct {
	Org    string `json:"org,omitempty"`    // organisation; the tenants "org" and "org:…" belong to it
	Tenant string `json:"tenant,omitempty"` // tenant
	Model  string `json:"model,omitempty"`  // model, as the ledger names it
}

// Covers reports whether a call of a tenant and a model counts in the scope.
func (s Scope) Covers(tenant, model string) bool {
	return (s.Org == "" || s.Org == OrgOf(tenant)) && (s.Tenant == "" || s.Tenant == tenant) && (s.Model == "" || s.Model == model)
}

// Check refuses a scope that names nothing, or names one owner in two ways.
func (s Scope) Check() error {
	switch {
	case s == Scope{}:
		return errors.New("a budget needs an organisation, a tenant or a model")
	case s.Org != "" && s.Tenant != "":
		return errors.New("a budget is of an organisation or of a tenant, not of both")
	case strings.Contains(s.Org, ":"):
		return errors.New("an organisation is the part of a tenant before the colon")
	default:
		return nil
	}
}

// String is the scope for people: `tenant "acme", model "gpt-5"`.
func (s Scope) String() string {
	var parts []string
	for _, p := range [][2]string{{"organisation", s.Org}, {"tenant", s.Tenant}, {"model", s.Model}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

// Period is how long a budget lasts until it begins again. Days and months are those of UTC.
type Period string

// The periods.
const (
	Day   Period = "day"
	Month Period = "month"
	Total Period = "total" // never begins again
)

// Periods are all periods, the shortest first.
func Periods() []Period { return []Period{Day, Month, Total} }

// Name names the period at a time, such as "2026-11-29", "2026-11" or "total". An entry of the
// ledger belongs to the period in which it was reserved.
func (p Period) Name(at time.Time) string {
	switch p {
	case Day:
		return at.UTC().Format(time.DateOnly)
	case Month:
		return at.UTC().Format("2006-01")
	default:
		return string(Total)
	}
}

// End is when the period of a name ends; ok is false for one that never does.
func (p Period) End(name string) (end time.Time, ok bool) {
	layout := time.DateOnly
	if p == Month {
		layout = "2006-01"
	}
	at, err := time.Parse(layout, name)
	if err != nil {
		return time.Time{}, false
	}
	_, end = p.Bounds(at)
	return end, !end.IsZero()
}

// Bounds are the start of the period at a time, and its end, which does not belong to it. They
// are zero for one that never begins again.
func (p Period) Bounds(at time.Time) (start, end time.Time) {
	year, month, day := at.UTC().Date()
	switch p {
	case Day:
		start = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 0, 1)
	case Month:
		start = time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 1, 0)
	default:
		return time.Time{}, time.Time{}
	}
}
