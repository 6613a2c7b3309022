package training

import (
	"fmt"
	"math"
	"strings"

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
	Match   *Match `json:"match,omitempty"` // whether answers belong to their questions; null = not tested
	Better  bool   `json:"better"`          // right direction, with p below 0.05 (kto: 0.02), and the match was learned
	Test    string `json:"test"`            // "sign-flip, exact", "sign-flip, 10000 draws", "McNemar, exact"; empty = none
	Verdict string `json:"verdict"`         // the result as a sentence

	With string `json:"with,omitempty"` // what base is: the adapter NAME@VERSION that training continued; empty = the base model
}

// Match compares how much the value of a row gains on its own question with how much it gains
// on questions of other rows. What every answer gains is form: language, length, end.
type Match struct {
	Metric     string  `json:"metric"`     // value with questions of other rows
	Own        float64 `json:"own"`        // mean gain on the row's own question; above 0 = better
	Other      float64 `json:"other"`      // mean gain on questions of other rows
	Difference float64 `json:"difference"` // own − other
	CILow      float64 `json:"ci_low"`     // lower end of the 95 % confidence interval of the difference
	CIHigh     float64 `json:"ci_high"`    // upper end
	PValue     float64 `json:"p_value"`    // two-sided p-value
	N          int     `json:"n"`          // compared rows
	Learned    bool    `json:"learned"`    // above 0, with p below 0.02
}

const (
	significant = 0.05

	// matchSignificant is stricter, because the published step was chosen by the loss on the
	// same rows, and chance alone can favour it a little.
	matchSignificant = 0.02
)

// levelOf is the level of the test of a method. Margins of rated answers have no second test, and
// the step was chosen on the same rows, so theirs is the stricter one.
func levelOf(method Method) float64 {
	if method == KTO {
		return matchSignificant
	}
	return significant
}

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
		c.Match = compareMatch(metric, base, best)
		c.Better = broken == 0 && c.PValue < levelOf(method) && c.improved() && (c.Match == nil || c.Match.Learned)
	}
	c.Verdict = c.verdict(broken, levelOf(method))
	return c, nil
}

// improved reports whether the difference has the right direction.
func (c Comparison) improved() bool {
	return c.Difference != 0 && (c.Difference < 0) == c.LowerIsBetter
}

// compareMatch tests whether rows gain more on their own questions than on those of other
// rows; nil = no row has been scored on both.
func compareMatch(metric string, base, best []RowValues) *Match {
	m := Match{Metric: otherMetric(metric)}
	var own, other, differences []float64
	for i := range base {
		gain := func(name string) float64 {
			before, known := base[i].Values[name]
			after, also := best[i].Values[name]
			switch {
			case !known || !also:
				return math.NaN()
			case LowerIsBetter(name):
				return before - after
			}
			return after - before
		}
		a, b := gain(metric), gain(m.Metric)
		if IsFinite(a) && IsFinite(b) {
			own, other, differences = append(own, a), append(other, b), append(differences, a-b)
		}
	}
	if m.N = len(differences); m.N == 0 {
		return nil
	}
	m.Own, m.Other, m.Difference = mean(own), mean(other), mean(differences)
	m.CILow, m.CIHigh = bootstrap(differences)
	m.PValue, _ = signFlip(differences)
	m.Learned = m.Difference > 0 && m.PValue < matchSignificant
	return &m
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

// minMatchPairs is the same for the stricter level.
const minMatchPairs = 7

func (c Comparison) verdict(broken int, level float64) string {
	if broken > 0 {
		return fmt.Sprintf("not better: on %d of %d held-out rows the trained model gives no finite %s", broken, c.N+c.Missing, c.Metric)
	}
	switch {
	case c.N == 0 && c.Missing > 0:
		return fmt.Sprintf("not compared: none of %d held-out rows has a %s", c.Missing, c.Metric)
	case c.N == 0:
		return "not compared: no rows were held out"
	}
	what := fmt.Sprintf("mean %s per row on %d held-out rows went from %.4g to %.4g (difference %+.4g, 95 %% interval %+.4g to %+.4g, %s)",
		c.Metric, c.N, c.Base, c.Best, c.Difference, c.CILow, c.CIHigh, pText(c.PValue))
	enough := minPairs
	if level < significant {
		enough = minMatchPairs
	}
	if c.Match != nil && c.improved() && c.PValue < level {
		what += fmt.Sprintf("; own questions gained %.4g, questions of other rows %.4g (difference %+.4g, 95 %% interval %+.4g to %+.4g, %s)",
			c.Match.Own, c.Match.Other, c.Match.Difference, c.Match.CILow, c.Match.CIHigh, pText(c.Match.PValue))
	}
	switch {
	case c.Better:
		return "better than " + c.Reference() + ": " + what
	case c.N < enough:
		return "not shown to be better: too few rows to tell; " + what
	case c.PValue < level:
		if c.improved() {
			return "not shown to be better: " + c.Match.doubt() + "; " + what
		}
		return "worse than " + c.Reference() + ": " + what
	}
	return "not shown to be better: chance can explain it; " + what
}

// Against says that the first model of the comparison is the adapter that a job continued; nil =
// the base model.
func (c Comparison) Against(s *Start) Comparison {
	before := c.Reference()
	c.With = s.String()
	for _, word := range []string{"better", "worse"} {
		if rest, found := strings.CutPrefix(c.Verdict, word+" than "+before+": "); found {
			c.Verdict = word + " than " + c.Reference() + ": " + rest
		}
	}
	return c
}

// Reference is what the trained model was compared with, for people.
func (c *Comparison) Reference() string {
	if c == nil || c.With == "" {
		return "its base"
	}
	return c.With + ", which it continues"
}

// doubt says why a gain does not make the model better.
func (m Match) doubt() string {
	switch {
	case m.N < minMatchPairs:
		return "too few rows to tell whether answers belong to their questions"
	case m.Metric == MetricOtherNDCG:
		return "it ranks some documents higher, but perhaps whatever is searched for"
	}
	return "it learned the form of the answers, but perhaps not which answer belongs to which question"
}

func pText(p float64) string {
	if p < 0.001 {
		return "p < 0.001"
	}
	return fmt.Sprintf("p = %.3f", p)
}
