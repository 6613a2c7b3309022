package money_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/money"
)

func TestPassed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	passed := func(amount, settled, reserved int64, thresholds ...int) (percents []int) {
		s := money.Standing{Budget: money.Budget{Period: money.Day, MicroUSD: amount}, Settled: settled, Reserved: reserved, At: at}
		for _, a := range s.Passed(thresholds) {
			require.Equal(t, "2026-11-29", a.Name)
			require.Equal(t, settled, a.Spent)
			percents = append(percents, a.Percent)
		}
		return percents
	}
	require.Empty(t, passed(100, 79, 21, 80, 100), "what is reserved may not be spent")
	require.Equal(t, []int{80}, passed(100, 80, 0, 80, 100))
	require.Equal(t, []int{80, 100}, passed(100, 100, 0, 80, 100))
	require.Equal(t, []int{150}, passed(100, 150, 0, 150, 151))
	require.Empty(t, passed(0, 5, 0, 80, 100), "of a budget of 0 only a refusal is told")
	require.Empty(t, passed(100, 0, 0, 80))
	require.Equal(t, []int{100}, passed(math.MaxInt64, math.MaxInt64, 0, 100, 101))
	require.Empty(t, passed(math.MaxInt64, math.MaxInt64-1, 0, 100))
	require.Equal(t, []int{33}, passed(3, 1, 0, 33, 34))
}

// TestAlertID: an alert has one name, whoever finds it and whenever; another amount, period or
// threshold makes another alert.
func TestAlertID(t *testing.T) {
	t.Parallel()
	a := money.Alert{Budget: money.Budget{Scope: money.Scope{Tenant: "a"}, Period: money.Day, MicroUSD: 5}, Name: "2026-11-29", Percent: 80}
	same := a
	same.Spent, same.At = 4, time.Now()
	require.Equal(t, a.ID(), same.ID())
	ids := map[string]bool{a.ID(): true}
	for _, change := range []func(a *money.Alert){
		func(a *money.Alert) { a.Percent = 100 },
		func(a *money.Alert) { a.Name = "2026-11-30" },
		func(a *money.Alert) { a.MicroUSD = 6 },
		func(a *money.Alert) { a.Soft = true },
		func(a *money.Alert) { a.Scope = money.Scope{Org: "a"} },
		func(a *money.Alert) { a.Model = "m" },
		func(a *money.Alert) { a.Period = money.Month },
	} {
		other := a
		change(&other)
		require.False(t, ids[other.ID()], "%+v", other)
		ids[other.ID()] = true
	}
}

func TestAlertText(t *testing.T) {
	t.Parallel()
	a := money.Alert{
		Budget: money.Budget{Scope: money.Scope{Tenant: "uni:a"}, Period: money.Month, MicroUSD: 50_000_000}, Name: "2026-11", Percent: 80, Spent: 41_000_000,
	}
	require.Equal(t, "Budget of tenant uni:a ($50.00 2026-11): $41.00 spent; that is over 80 %.", a.Text())
	a.Percent = 100
	require.Equal(t, "Budget of tenant uni:a ($50.00 2026-11): $41.00 spent. Calls that cost money wait. "+
		"Raise it: cogflow budget set --tenant uni:a --period month USD", a.Text())
	a.Soft, a.Period = true, money.Total
	require.Equal(t, "Soft budget of tenant uni:a ($50.00 in total): $41.00 spent; that is over 100 %. It stops nothing.", a.Text())
}
