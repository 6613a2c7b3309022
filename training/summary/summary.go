// Package summary holds the data of the training reports. It knows no HTML, store or
// workflow.
package summary

import (
	"cmp"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/training/rows"
)

// Run is the content of the page about one training run.
type Run struct {
	Adapter  training.Adapter // version 0: nothing was published
	Tenant   tenant.ID
	Workflow string
	Run      string
	Started  time.Time
	Ended    time.Time
	Status   string // of the result: "trained", "unchanged", "stopped"
	Plan     estimate.Estimate
	Check    dataset.Check
	Events   []training.Event // steps, evaluations and checkpoints of the whole job, each step once
	Samples  []Sample
	Version  string // of the cogflow that renders the page
}

// Sample is a held-out row with the metrics and the answers of the base and the best.
type Sample struct {
	Row        int
	Parts      []rows.Part // what the row says; nil = it could not be read
	Text       string      // of a row that could not be read, cut
	Base       float64
	Best       float64
	BaseAnswer *training.Answer // nil = the base was not asked
	BestAnswer *training.Answer // nil = the best was not asked
}

// Samples picks the rows that a model answered, in their order, and of the others those
// whose metric changed most, up to `each` in either direction, improved rows first. The
// caller adds the texts of the rows.
func Samples(metric string, base, best Evaluated, each int) []Sample {
	sign := 1.0
	if training.LowerIsBetter(metric) {
		sign = -1
	}
	gain := func(s Sample) float64 { return sign * (s.Best - s.Base) }
	var answered, others []Sample
	for i := range min(len(base.Rows), len(best.Rows)) {
		s := Sample{Row: base.Rows[i].Row, Base: base.Rows[i].Values[metric], Best: best.Rows[i].Values[metric]}
		s.BaseAnswer, s.BestAnswer = base.Answers[s.Row], best.Answers[s.Row]
		switch {
		case s.BaseAnswer != nil || s.BestAnswer != nil:
			answered = append(answered, s)
		case training.IsFinite(gain(s)):
			others = append(others, s)
		}
	}
	slices.SortStableFunc(others, func(x, y Sample) int { return cmp.Compare(gain(y), gain(x)) })
	if len(others) > 2*each {
		others = slices.Concat(others[:each], others[len(others)-each:])
	}
	return append(answered, others...)
}

// Evaluated is the held-out rows under one model.
type Evaluated struct {
	Rows    []training.RowValues
	Answers map[int]*training.Answer // by row
}

// Sweep is the content of the page about a sweep.
type Sweep struct {
	Tenant   tenant.ID
	Method   training.Method
	Workflow string
	Run      string
	Started  time.Time
	Ended    time.Time
	Varied   []string // names of the varied settings, sorted
	Runs     []SweepLine
	Best     int // index; -1 = none
	Models   []string
	Version  string // of the cogflow that renders the page
}

// SweepLine is one run of a sweep.
type SweepLine struct {
	Values   []string // of the varied settings, in the order of Varied
	Workflow string
	Adapter  string
	Version  int
	Metrics  map[string]float64
	Better   bool // than its base
	CostUSD  float64
	Seconds  float64
	Failure  string // empty = it has a result
}
