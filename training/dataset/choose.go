package dataset

import (
	"fmt"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// Counts are the available rows by kind.
type Counts struct {
	Pairs    int `json:"pairs"`           // of a preferred and a rejected answer
	Examples int `json:"examples"`        // answers to learn: approved, or all of a dataset
	Triplets int `json:"triplets"`        // for an embedding model
	Rated    int `json:"rated,omitempty"` // answers that are rated good or bad
}

// Thresholds are the minimum rows per method. A zero field takes the default.
type Thresholds struct {
	Pairs    int `json:"pairs"`
	Examples int `json:"examples"`
	Triplets int `json:"triplets"`
	Rated    int `json:"rated,omitempty"`
}

// DefaultThresholds are Cogniverse's. It has none for rated answers: 40 are as many answers as
// 20 pairs have.
func DefaultThresholds() Thresholds {
	return Thresholds{Pairs: 20, Examples: 50, Triplets: 100, Rated: 40}
}

func (t Thresholds) filled() Thresholds {
	d := DefaultThresholds()
	if t.Pairs == 0 {
		t.Pairs = d.Pairs
	}
	if t.Examples == 0 {
		t.Examples = d.Examples
	}
	if t.Triplets == 0 {
		t.Triplets = d.Triplets
	}
	if t.Rated == 0 {
		t.Rated = d.Rated
	}
	return t
}

// of returns the minimum rows of a method.
func (t Thresholds) of(m training.Method) int {
	switch m {
	case training.DPO:
		return t.Pairs
	case training.Embedding:
		return t.Triplets
	case training.KTO:
		return t.Rated
	default:
		return t.Examples
	}
}

// Choice is the training method that the rows suit.
type Choice struct {
	Method     training.Method `json:"method"`     // sft, dpo, kto or embedding
	Confidence float64         `json:"confidence"` // min(1, n / (2 × threshold)): 0.5 = just enough
	Reason     string          `json:"reason"`     // why, with the counts
}

// Choose picks a method as Cogniverse does: enough pairs mean DPO, otherwise enough
// examples mean SFT. Triplets decide only if there are neither pairs nor examples, because
// they train another kind of model. Rated answers, which Cogniverse does not know, decide only
// alone. Too few rows of every kind are a fault.Input with the
// counts.
func Choose(c Counts, t Thresholds) (Choice, error) {
	t = t.filled()
	chosen := func(m training.Method, n, of int, what string) (Choice, error) {
		return Choice{m, min(1, float64(n)/float64(2*of)), fmt.Sprintf("%d %s, %d are enough for %s", n, what, of, m)}, nil
	}
	switch {
	case c.Pairs >= t.Pairs:
		return chosen(training.DPO, c.Pairs, t.Pairs, "preference pairs")
	case c.Examples >= t.Examples:
		return chosen(training.SFT, c.Examples, t.Examples, "examples")
	case c.Pairs == 0 && c.Examples == 0 && c.Triplets >= t.Triplets:
		return chosen(training.Embedding, c.Triplets, t.Triplets, "triplets")
	case c == Counts{Rated: c.Rated} && c.Rated >= t.Rated:
		return chosen(training.KTO, c.Rated, t.Rated, "rated answers")
	case c == Counts{Rated: c.Rated} && c.Rated > 0:
		return Choice{}, fault.New(fault.Input, "choose method", "", fmt.Sprintf(
			"too little to choose a method: %d of %d rated answers (KTO); add %s, or name the method", c.Rated, t.Rated, someOf(t.Rated-c.Rated, "rated answer")))
	}
	return Choice{}, fault.New(fault.Input, "choose method", "", fmt.Sprintf(
		"too little to choose a method: %d of %d preference pairs (DPO), %d of %d examples (SFT), %d of %d triplets (embedding); "+
			"add %s or %s, or name the method",
		c.Pairs, t.Pairs, c.Examples, t.Examples, c.Triplets, t.Triplets, someOf(t.Pairs-c.Pairs, "pair"), someOf(t.Examples-c.Examples, "example")))
}

func someOf(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
