package training

import (
	"fmt"
	"math"

	"github.com/cogniverse/cogflow/fault"
)

// Comparison compares the trained model with its base on the same held-out rows. The same
// rows give the same comparison.
type Comparison struct {
	Metric        string  `json:"metric"`          // name of the compared metric
	LowerIsBetter bool    `json:"lower_is_better"` // direction of the metric
	Base          float64 `json:"base"`            // mean of the base model
	Best          float64 `json:"best"`            // mean of the adapter
	Difference    float64 `json:"difference"`      // best − base
	CILow         float64 `json:"ci_low"`          // lower end of the 95 % confidence interval of the difference
	CIHigh        float64 `json:"ci_high"`         // upper end
	PValue        float64 `json:"p_value"`         // two-sided p-value
	N             int     `json:"n"`               // compared rows
	// Rows on which either model's value was not finite. They are in no mean;
	// if the trained model has any, it is not better.
	Missing int    `json:"missing,omitempty"`
	Better  bool   `json:"better"`  // right direction, with p below 0.05
	Test    string `json:"test"`    // "sign-flip, exact", "sign-flip, 10000 draws", "McNemar, exact"; empty = none
	Verdict string `json:"verdict"` // the result as a sentence
}

const significant = 0.05

// Compare tests the primary metric of a method on pairs of the same rows.
// Without rows nothing is better, and the verdict says why.
func Compare(method Method, base, best []RowValues) (Comparison, error) {
	if len(base) != len(best) {
		return Comparison{}, fault.New(fault.Input, "compare models", string(method),
			fmt.Sprintf("the base was evaluated on %d rows and the trained model on %d", len(base), len(best)))
	}
	metric, err := chooseMetric(method, base, best)
	if err != nil {
		return Comparison{}, err
	}
	c := Comparison{Metric: metric, LowerIsBetter: LowerIsBetter(metric), PValue: 1}
	var before, after, differences []float64
	broken := 0 // rows on which only the trained model fails
	for i := range base {
		if base[i].Row != best[i].Row {
			return Comparison{}, fault.New(fault.Input, "compare models", string(method), fmt.Sprintf("row %d of the base is compared with row %d", base[i].Row, best[i].Row))
		}
		a, b := base[i].Values[metric], best[i].Values[metric]
		if !IsFinite(a) || !IsFinite(b) {
			c.Missing++
			if IsFinite(a) && !IsFinite(b) {
				broken++ // rows that neither can score are in no mean
			}
			continue
		}
		before, after, differences = append(before, a), append(after, b), append(differences, b-a)
	}
	if c.N = len(differences); c.N > 0 {
		c.Base, c.Best, c.Difference = mean(before), mean(after), mean(differences)
		c.CILow, c.CIHigh = bootstrap(differences)
		c.PValue, c.Test = pairedTest(before, after, differences)
		c.Better = broken == 0 && c.PValue < significant && c.Difference != 0 && (c.Difference < 0) == c.LowerIsBetter
	}
	c.Verdict = c.verdict(broken)
	return c, nil
}

// IsFinite reports whether v is a number that can be compared.
func IsFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// minPairs is the minimum number of pairs with which the test can find anything: five rows
// that all agree occur by chance once in 16 times.
const minPairs = 6

func (c Comparison) verdict(broken int) string {
	if broken > 0 {
		return fmt.Sprintf("not better: on %d of %d held-out rows the trained model gives no finite %s", broken, c.N+c.Missing, c.Metric)
	}
	if c.N == 0 {
		return "not compared: no rows were held out"
	}
	what := fmt.Sprintf("mean %s per row on %d held-out rows went from %.4g to %.4g (difference %+.4g, 95 %% interval %+.4g to %+.4g, %s)",
		c.Metric, c.N, c.Base, c.Best, c.Difference, c.CILow, c.CIHigh, pText(c.PValue))
	switch {
	case c.Better:
		return "better than its base: " + what
	case c.N < minPairs:
		return "not shown to be better: too few rows to tell; " + what
	case c.PValue < significant:
		return "worse than its base: " + what
	}
	return "not shown to be better: chance can explain it; " + what
}

func pText(p float64) string {
	if p < 0.001 {
		return "p < 0.001"
	}
	return fmt.Sprintf("p = %.3f", p)
}
