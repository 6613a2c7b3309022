package costs_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// booked is an entry as a test made it.
type booked struct {
	video.Call
	begun    time.Time
	outcome  money.Outcome
	micro    int64
	used     money.Used
	repeated bool
}

func (b booked) value(by money.Dimension) string {
	org, _, _ := strings.Cut(string(b.Tenant), ":")
	return map[money.Dimension]string{
		money.ByTenant: string(b.Tenant), money.ByOrg: org, money.ByWorkflow: b.Workflow, money.ByJob: b.Job, money.ByModel: b.Model,
		money.ByKind: b.Kind, money.ByGPU: b.GPU, money.ByDay: b.begun.UTC().Format(time.DateOnly),
	}[by]
}

func (b booked) add(c money.Cost) money.Cost {
	c.Calls++
	switch b.outcome {
	case "":
		c.Open++
		c.ReservedMicroUSD += b.micro
		return c
	case money.Answered:
		c.Answered++
	case money.Refused:
		c.Refused++
	case money.BilledFailure:
		c.Charged++
	case money.Lost:
		c.Lost++
	case money.Released: // callers leave it out
	}
	c.SettledMicroUSD += b.micro
	c.Used = money.Used{
		InputTokens: c.InputTokens + b.used.InputTokens, OutputTokens: c.OutputTokens + b.used.OutputTokens, CachedTokens: c.CachedTokens + b.used.CachedTokens,
		ReasoningTokens: c.ReasoningTokens + b.used.ReasoningTokens, GPUMS: c.GPUMS + b.used.GPUMS,
	}
	if b.outcome != money.Answered {
		c.FailedMicroUSD += b.micro
	}
	if b.repeated {
		c.Repeated++
	}
	return c
}

// testSums compares the sums of the database with those of the test, for random entries of
// four days and all dimensions.
func testSums(t *testing.T, s store) {
	l, r, random := s.ledger(t), s.reader(t), rand.New(rand.NewPCG(5, 6))
	var all []booked
	const days = 4
	for day := range days {
		all = append(all, randomEntries(t, l, random, day)...)
		s.age(t, 24*time.Hour)
	}
	for i := range all { // as they are now
		all[i].begun = begunAt(t, l, all[i].Call)
	}
	dimensions := money.Dimensions()
	for range 60 {
		q := money.CostQuery{}
		for _, i := range random.Perm(len(dimensions))[:random.IntN(4)] {
			q.By = append(q.By, dimensions[i])
		}
		if random.IntN(2) == 0 {
			q.Since = all[random.IntN(len(all))].begun
		}
		if random.IntN(2) == 0 {
			q.Until = all[random.IntN(len(all))].begun
		}
		if random.IntN(3) == 0 {
			q.Tenant = "acme:one"
		}
		compareCosts(t, r, q, all)
	}
}

func randomEntries(t *testing.T, l *ledger.Ledger, random *rand.Rand, day int) (out []booked) {
	t.Helper()
	outcomes := []money.Outcome{money.Answered, money.Answered, money.Refused, money.BilledFailure, money.Lost, money.Released, ""}
	for job := range 3 {
		for fingerprint := range 4 {
			billed := false
			for attempt := range 1 + random.IntN(3) {
				c := call(fmt.Sprint("job", day, job), fmt.Sprint(fingerprint), 1+random.Int64N(1000))
				c.Tenant = tenant.ID([]string{"acme:one", "acme:two", "plain"}[job])
				c.Kind, c.Model, c.Attempt = []string{"describe", "embed"}[fingerprint%2], fmt.Sprint("m", fingerprint%3), attempt+1
				c.GPU = []string{"", "l4", "h100"}[random.IntN(3)]
				b := booked{Call: c, outcome: outcomes[random.IntN(len(outcomes))], micro: c.CostMicroUSD}
				key := begin(t, l, c)
				if b.outcome != "" {
					b.micro = random.Int64N(1000)
					if random.IntN(2) == 0 {
						b.used = money.Used{InputTokens: random.Int64N(99), OutputTokens: random.Int64N(99), CachedTokens: random.Int64N(9), ReasoningTokens: random.Int64N(9), GPUMS: random.Int64N(99)}
					}
					_, err := l.Settle(t.Context(), key, money.Booking{Outcome: b.outcome, MicroUSD: b.micro, Used: b.used})
					require.NoError(t, err)
				}
				b.repeated, billed = billed && b.outcome.Billed(), billed || b.outcome.Billed()
				out = append(out, b)
			}
		}
	}
	return out
}

// begunAt asks for the time at which a call began, by the clock of the database.
func begunAt(t *testing.T, l *ledger.Ledger, c video.Call) time.Time {
	t.Helper()
	key := money.NewKey(string(c.Tenant), c.Job, c.Kind, string(c.Fingerprint), c.Attempt)
	_, begun, found, err := l.Held(t.Context(), c.Tenant, c.Job, key, 0)
	require.NoError(t, err)
	require.True(t, found)
	return begun
}

func compareCosts(t *testing.T, r *costs.Reader, q money.CostQuery, all []booked) {
	t.Helper()
	want, total := map[string]money.Cost{}, money.Cost{}
	for _, b := range all {
		if b.outcome == money.Released || b.begun.Before(q.Since) || !q.Until.IsZero() && !b.begun.Before(q.Until) ||
			q.Tenant != "" && q.Tenant != string(b.Tenant) {
			continue
		}
		var values []string
		for _, by := range q.By {
			values = append(values, b.value(by))
		}
		name := strings.Join(values, "|")
		want[name], total = b.add(want[name]), b.add(total)
	}
	got, err := r.Costs(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, total, got.Total, "%+v", q)
	if len(q.By) == 0 {
		require.Empty(t, got.Groups)
		return
	}
	require.Equal(t, len(want), got.Number, "%+v", q)
	require.Len(t, got.Groups, len(want), "%+v", q)
	for i, g := range got.Groups {
		require.Equal(t, want[strings.Join(g.Values, "|")], g.Cost, "%+v", q)
		if i > 0 && q.By[0] == money.ByDay && len(q.By) == 1 {
			require.Less(t, g.Values[0], got.Groups[i-1].Values[0], "newest first")
		}
		if before := max(0, i-1); len(q.By) == 1 && q.By[0] != money.ByDay {
			of := got.Groups[before].Cost
			require.GreaterOrEqual(t, of.SettledMicroUSD+of.ReservedMicroUSD, g.SettledMicroUSD+g.ReservedMicroUSD, "the most expensive first")
		}
	}
	q.Limit = 1
	one, err := r.Costs(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, got.Total, one.Total, "the total counts what is not listed")
	require.Equal(t, got.Number, one.Number)
	require.Len(t, one.Groups, min(1, len(want)))
}

// testNothing: an empty ledger, an unknown dimension and absurd amounts.
func testNothing(t *testing.T, s store) {
	l, r := s.ledger(t), s.reader(t)
	empty, err := r.Costs(t.Context(), money.CostQuery{By: []money.Dimension{money.ByTenant}})
	require.NoError(t, err)
	require.Equal(t, money.Costs{}, empty)
	_, err = r.Costs(t.Context(), money.CostQuery{By: []money.Dimension{"tenant; DROP TABLE call"}})
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	const most = 1 << 53 // of one entry
	for i := range 3 {
		settle(t, l, begin(t, l, call("job", fmt.Sprint(i), 1<<60)), money.Answered, 1<<60)
	}
	got, err := r.Costs(t.Context(), money.CostQuery{By: []money.Dimension{money.ByDay}})
	require.NoError(t, err)
	require.EqualValues(t, 3*most, got.Total.SettledMicroUSD)
	now, err := r.Now(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, begunAt(t, l, call("job", "0", 1)), now, time.Minute)
}
