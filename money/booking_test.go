package money_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/money"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit, settled, reserved, cost int64
		want                           money.Verdict
	}{
		"no limit":            {0, 100, 100, 100, money.Fits},
		"fits":                {100, 50, 0, 50, money.Fits},
		"fits beside others":  {100, 50, 30, 20, money.Fits},
		"others may give way": {100, 50, 31, 20, money.Wait},
		"spent":               {100, 81, 0, 20, money.Exceeded},
		"spent beside others": {100, 81, 50, 20, money.Exceeded},
		"free, nothing left":  {100, 100, 100, 0, money.Fits},
		"overflow":            {math.MaxInt64 - 1, math.MaxInt64 - 2, math.MaxInt64, math.MaxInt64, money.Exceeded},
		"overflow, reserved":  {math.MaxInt64 - 1, 1, math.MaxInt64, 1, money.Wait},
	} {
		require.Equal(t, c.want, money.Decide(c.limit, c.settled, c.reserved, c.cost), name)
	}
}

// TestDecideHolds plays random jobs by the rule: never is more settled than the
// limit when no call settles for more than it reserved, and a waiting caller may
// go on when the others have settled.
func TestDecideHolds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		limit := 1 + random.Int64N(1000)
		var settled, reserved int64
		var open []int64
		for range 200 {
			cost := random.Int64N(100)
			switch money.Decide(limit, settled, reserved, cost) {
			case money.Fits:
				open, reserved = append(open, cost), reserved+cost
			case money.Exceeded:
				require.Greater(t, settled+cost, limit)
			case money.Wait:
				require.Positive(t, reserved)
			}
			if len(open) > 0 && random.IntN(2) == 0 {
				at := random.IntN(len(open))
				reserved -= open[at]
				settled += random.Int64N(open[at] + 1)
				open = append(open[:at], open[at+1:]...)
			}
			require.LessOrEqual(t, settled+reserved, limit)
		}
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	failure := errors.New("cut answer")
	require.Equal(t, money.Booking{Outcome: money.Answered, MicroUSD: 7}, money.End(nil, 7, 9))
	require.Equal(t, money.Booking{Outcome: money.Refused}, money.End(failure, 7, 9))
	require.Equal(t, money.Booking{Outcome: money.BilledFailure, MicroUSD: 9}, money.End(money.ChargeUnknown(failure), 0, 9))
	require.Equal(t, money.Booking{Outcome: money.BilledFailure, MicroUSD: 3}, money.End(money.Charge(failure, 3), 0, 9))
}

func TestSettleRule(t *testing.T) {
	t.Parallel()
	open, lost := money.Booking{}, money.Booking{Outcome: money.Lost, MicroUSD: 9}
	a, b := money.Booking{Outcome: money.Answered, MicroUSD: 4}, money.Booking{Outcome: money.BilledFailure, MicroUSD: 5}
	for name, c := range map[string]struct {
		booked, said, want money.Booking
		changed            bool
	}{
		"open":             {open, a, a, true},
		"again":            {a, a, a, false},
		"the first stands": {a, b, a, false},
		"lost after known": {a, lost, a, false},
		"known after lost": {lost, a, a, true},
		"lost twice":       {lost, lost, lost, false},
	} {
		now, changed := money.Settle(c.booked, c.said)
		require.Equal(t, c.want, now, name)
		require.Equal(t, c.changed, changed, name)
	}
}

func TestRepeated(t *testing.T) {
	t.Parallel()
	for want, outcomes := range map[int][][]money.Outcome{
		0: {{}, {money.Answered}, {money.Lost}, {money.Refused, money.Refused, money.Answered}, {money.Answered, money.Refused}, {money.Released, money.Answered}},
		1: {{money.Answered, money.Answered}, {money.Lost, money.Answered}, {money.Lost, money.Refused, money.BilledFailure}},
		2: {{money.Lost, money.Lost, money.Answered}},
	} {
		for _, o := range outcomes {
			require.Equal(t, want, money.Repeated(o), "%v", o)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, parts := range [][4]string{{"a", "b", "c", "d"}, {"ab", "", "c", "d"}, {"a", "bc", "", "d"}, {"a", "b", "cd", ""}} {
		for attempt := range 3 {
			key := money.NewKey(parts[0], parts[1], parts[2], parts[3], attempt)
			require.False(t, seen[key])
			require.Len(t, key, 32)
			seen[key] = true
		}
	}
}
