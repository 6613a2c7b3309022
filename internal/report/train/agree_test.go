package train

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/summary"
)

// shown parses a number of a page exactly.
func shown(t *testing.T, text string) *big.Rat {
	t.Helper()
	text = strings.NewReplacer(",", "", "−", "-", "+", "", "$", "").Replace(text)
	v, ok := new(big.Rat).SetString(text)
	require.True(t, ok, text)
	return v
}

// TestChangeAgrees: for any values of a metric, the shown change is the difference of the
// shown values, and a change is never shown as zero.
func TestChangeAgrees(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	for range 20_000 {
		base := (rng.Float64() - 0.3) * math.Pow10(rng.IntN(10)-3)
		best := base + (rng.Float64()-0.5)*math.Pow10(rng.IntN(8)-5)
		if most := max(math.Abs(base), math.Abs(best)); most < 1e-4 || most >= 1e9 {
			continue
		}
		before, after, change := sameDigits(base, best)
		want := new(big.Rat).Sub(shown(t, after), shown(t, before))
		require.Zero(t, want.Cmp(shown(t, change)), "%v to %v: %s to %s, %s", base, best, before, after, change)
		if math.Abs(best-base) > 1e-7 {
			require.NotZero(t, want.Sign(), "%v to %v: %s to %s", base, best, before, after)
		}
	}
	before, after, change := sameDigits(0, 0)
	assert.Equal(t, []string{"0.0000", "0.0000", "0.0000"}, []string{before, after, change})
	before, after, change = sameDigits(math.NaN(), 1)
	assert.Equal(t, []string{"–", "1.000", "–"}, []string{before, after, change})
}

// TestRowsAgree: for any dataset, the rows that were used and the rows that were not used
// add up to the rows in the file.
func TestRowsAgree(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 10))
	for range 2000 {
		trained, held, dropped, long, other := 1+rng.IntN(5000), rng.IntN(500), rng.IntN(20), rng.IntN(9), rng.IntN(3)
		r := summary.Run{Check: dataset.Check{HeldOut: held}}
		r.Check.Train = dataset.Survey{Rows: trained + held + dropped + long + other, Kept: trained + held + long, Dropped: dropped}
		r.Adapter.Outcome.Data = &training.DataStats{Rows: trained + long, EvalRows: held, Dropped: long}
		if cut := rng.IntN(5); cut <= held { // held-out rows without an answer
			r.Adapter.Outcome.Data.EvalDropped = cut
		}
		if rng.IntN(3) == 0 { // not trained yet: estimated
			r.Adapter.Outcome.Data, r.Check.Train.NoRoom = nil, long
		}
		sum, rows := new(big.Rat), new(big.Rat)
		for _, f := range newDataView(r).Facts {
			switch f.Name {
			case "Rows in the file":
				rows = shown(t, f.Value)
			case "Trained on", "Held out", "Dropped", "Too long for an answer", "Not used":
				sum.Add(sum, shown(t, f.Value))
			}
		}
		require.Zero(t, rows.Cmp(sum), "%v rows, %v in the parts", rows, sum)
	}
}

// TestSweepAgrees: the shown cost of a sweep is the sum of the shown costs of its runs, or
// the page says why it is not.
func TestSweepAgrees(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(11, 12))
	for range 500 {
		r := summary.Sweep{Method: training.SFT, Best: -1}
		failed, better := 0, 0
		for i := range rng.IntN(9) {
			run := summary.SweepLine{CostUSD: float64(rng.IntN(9_000_000)) / 1e6, Better: rng.IntN(2) == 0, Version: i}
			if rng.IntN(4) == 0 {
				run.Failure, run.Better = "no", false
				failed++
			} else if run.Better {
				better++
			}
			r.Runs = append(r.Runs, run)
		}
		p := newSweepPage(r)
		sum, verdicts := new(big.Rat), map[string]int{}
		for _, run := range p.Runs {
			if !strings.HasPrefix(run.Cost, "<") {
				sum.Add(sum, shown(t, run.Cost))
			}
			verdicts[run.Verdict]++
		}
		require.Equal(t, fmt.Sprint(len(p.Runs)), p.Tiles[0].Value)
		require.Equal(t, fmt.Sprint(better), p.Tiles[1].Value)
		require.Equal(t, better, verdicts["better"])
		require.Equal(t, fmt.Sprint(failed), p.Tiles[2].Value)
		require.Equal(t, failed, verdicts["failed"])
		require.Equal(t, p.Rounded, sum.Cmp(shown(t, p.Tiles[5].Value)) != 0, "%v of %s", sum, p.Tiles[5].Value)
	}
}

// TestOneQuantityPerCurve: each loss has its own plot, with its name and enough ticks. An
// axis is logarithmic only if the values span decades.
func TestOneQuantityPerCurve(t *testing.T) {
	t.Parallel()
	r := trained(300)
	r.Adapter.Spec.Method = training.DPO
	for i := range r.Events {
		if e := &r.Events[i]; e.Event == training.EventStep {
			e.Metrics["rewards/margins"], e.Metrics["another"] = float64(e.Step), 1
			e.Metrics["grad_norm"] = 50 * math.Exp(-float64(e.Step)/30)
		}
	}
	var titles []string
	for _, c := range newPage(r).Curves {
		titles = append(titles, c.Title)
		assert.GreaterOrEqual(t, len(c.YTicks), 4, c.Title)
		assert.GreaterOrEqual(t, len(c.XTicks), 4, c.Title)
		assert.Equal(t, c.Title == "Gradient norm", strings.Contains(c.Unit, "logarithmic axis"), c.Title)
	}
	assert.Equal(t, []string{
		"Training loss", "Held-out loss", "Held-out reward accuracy", "Reward margin, training", "another, training",
		"Learning rate", "Throughput", "Gradient norm",
	}, titles)
}
