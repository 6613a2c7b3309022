package money_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
)

func TestScope(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scope         money.Scope
		tenant, model string
		covers        bool
	}{
		{money.Scope{Org: "uni"}, "uni", "m", true},
		{money.Scope{Org: "uni"}, "uni:a", "m", true},
		{money.Scope{Org: "uni"}, "university", "m", false},
		{money.Scope{Tenant: "uni"}, "uni:a", "m", false},
		{money.Scope{Tenant: "uni:a"}, "uni:a", "m", true},
		{money.Scope{Model: "m"}, "any", "m", true},
		{money.Scope{Model: "m"}, "any", "n", false},
		{money.Scope{Tenant: "uni:a", Model: "m"}, "uni:a", "n", false},
		{money.Scope{Org: "uni", Model: "m"}, "uni:b", "m", true},
	} {
		require.Equal(t, c.covers, c.scope.Covers(c.tenant, c.model), "%+v", c)
	}
	require.Equal(t, "organisation uni, model m", money.Scope{Org: "uni", Model: "m"}.String())
}

func TestPeriods(t *testing.T) {
	t.Parallel()
	berlin := time.FixedZone("", 3600)
	at := time.Date(2026, 12, 1, 0, 30, 0, 0, berlin) // still November in UTC
	require.Equal(t, []string{"2026-11-30", "2026-11", "total"}, []string{money.Day.Name(at), money.Month.Name(at), money.Total.Name(at)})
	start, end := money.Month.Bounds(at)
	require.Equal(t, []string{"2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"}, []string{start.Format(time.RFC3339), end.Format(time.RFC3339)})
	start, end = money.Day.Bounds(at)
	require.Equal(t, []string{"2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"}, []string{start.Format(time.RFC3339), end.Format(time.RFC3339)})
	_, end = money.Total.Bounds(at)
	require.True(t, end.IsZero())
}

func TestAfford(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	of := func(p money.Period, limit, settled, reserved int64) money.Standing {
		return money.Standing{
			Budget:  money.Budget{Scope: money.Scope{Tenant: "t"}, Period: p, MicroUSD: limit},
			Settled: settled, Reserved: reserved, At: at,
		}
	}
	soft := of(money.Day, 0, 0, 0)
	soft.Soft = true
	for name, c := range map[string]struct {
		cost     int64
		unpriced bool
		all      []money.Standing
		verdict  money.Verdict
		by       int // index in all
	}{
		"no budget":             {5, false, nil, money.Fits, 0},
		"exactly":               {5, false, []money.Standing{of(money.Day, 10, 3, 2)}, money.Fits, 0},
		"in flight":             {5, false, []money.Standing{of(money.Day, 10, 3, 3)}, money.Wait, 0},
		"spent":                 {5, false, []money.Standing{of(money.Day, 10, 6, 0)}, money.Exceeded, 0},
		"zero":                  {1, false, []money.Standing{of(money.Total, 0, 0, 0)}, money.Exceeded, 0},
		"free":                  {0, false, []money.Standing{of(money.Total, 0, 9, 9)}, money.Fits, 0},
		"soft":                  {9, true, []money.Standing{soft}, money.Fits, 0},
		"unpriced":              {0, true, []money.Standing{soft, of(money.Total, math.MaxInt64, 0, 0)}, money.Exceeded, 1},
		"spent beats in flight": {5, false, []money.Standing{of(money.Total, 10, 3, 3), of(money.Day, 10, 6, 0)}, money.Exceeded, 1},
		"the last to end":       {5, false, []money.Standing{of(money.Day, 1, 0, 0), of(money.Month, 1, 0, 0)}, money.Exceeded, 1},
		"never ends":            {5, false, []money.Standing{of(money.Total, 1, 0, 0), of(money.Month, 1, 0, 0)}, money.Exceeded, 0},
		"absurd":                {math.MaxInt64, false, []money.Standing{of(money.Total, math.MaxInt64, 1, 0)}, money.Fits, 0},
	} {
		verdict, by := money.Afford(c.cost, c.unpriced, c.all)
		require.Equal(t, c.verdict, verdict, name)
		if verdict != money.Fits {
			require.Equal(t, c.all[c.by], by, name)
		}
	}
}

// TestBlockedText: what people read who may have never set a budget.
func TestBlockedText(t *testing.T) {
	t.Parallel()
	s := money.Standing{
		Budget: money.Budget{Scope: money.Scope{Tenant: "uni:a", Model: "it's free"}, Period: money.Month, MicroUSD: 50_000_000},
		At:     time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC),
	}
	b := money.NewBlocked(s, money.Exceeded, 20_100, false)
	require.Equal(t, `it may cost $0.0201, and the budget of tenant uni:a, model it's free ($50.00 a month) has less left; raise it with `+
		`cogflow budget set --tenant uni:a --model 'it'\''s free' --period month USD; it begins again at 2026-12-01 00:00 UTC`, b.Error())
	require.EqualValues(t, 36*3600*1000, b.EndsInMS)
	require.NotErrorIs(t, b, money.ErrNoRoom)

	b = money.NewBlocked(s, money.Wait, 1, false)
	err := &fault.Error{Class: fault.Overload, Op: "begin call", Err: fmt.Errorf("wrapped: %w", b)}
	require.ErrorIs(t, err, money.ErrNoRoom)
	found, ok := errors.AsType[*money.Blocked](err)
	require.True(t, ok)
	require.NotErrorIs(t, found.Settled(), money.ErrNoRoom)
	s.Period = money.Total
	b = money.NewBlocked(s, money.Exceeded, 0, true)
	require.Contains(t, b.Error(), "its price is not known")
	require.Zero(t, b.EndsInMS)
}

func TestState(t *testing.T) {
	t.Parallel()
	for used, want := range map[int64]string{0: money.StateOK, 79: money.StateOK, 80: money.StateNear, 99: money.StateNear, 100: money.StateReached, 500: money.StateReached} {
		s := money.Standing{Budget: money.Budget{MicroUSD: 100}, Settled: used / 2, Reserved: used - used/2}
		require.Equal(t, want, s.State(), used)
	}
	require.Equal(t, money.StateReached, money.Standing{}.State(), "nothing may be spent")
}

func TestDollars(t *testing.T) {
	t.Parallel()
	for micro, want := range map[int64]string{0: "$0.00", 1: "$0.000001", 50_000_000: "$50.00", 120_000: "$0.12", 123_400: "$0.1234", -5_000_000: "-$5.00"} {
		require.Equal(t, want, money.Dollars(micro))
	}
}
