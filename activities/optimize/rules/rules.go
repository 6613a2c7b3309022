// Package rules holds the numbers by which the modes of an optimization decide. A job keeps
// those that it began with, because another build may finish it.
package rules

import "cmp"

// Rules are the numbers of a job. Zero fields mean those of Former.
type Rules struct {
	// ReflectExamples is the number of training examples on which a reflection searches for
	// failures; ReflectVariants is the number of new instructions per predictor.
	ReflectExamples int `json:"reflect_examples,omitempty"`
	ReflectVariants int `json:"reflect_variants,omitempty"`
	// Reflections is the number of reflections. Each follows an equal share of the trials.
	Reflections int `json:"reflections,omitempty"`
	// Instructions is the number of instructions that are proposed for each one of DSPy's.
	Instructions int `json:"instructions,omitempty"`
	// Confirmed is the share of the runs that the search leaves to the confirmation; see
	// mipro.Job.
	Confirmed float64 `json:"confirmed,omitempty"`
}

// Improved are the rules of mode improved in jobs that this build begins. See decision 030.
func Improved() Rules {
	r := Former()
	r.ReflectExamples, r.Reflections, r.Instructions, r.Confirmed = 16, 3, 2, 0.4
	return r
}

// Former are the rules of builds that did not pin them, and of the other modes; they never
// change.
func Former() Rules {
	return Rules{ReflectExamples: 24, ReflectVariants: 2, Reflections: 1}
}

// Pinned omits the rules that equal the former ones, so that such a job keeps its name.
func (r Rules) Pinned() Rules {
	former := Former()
	return Rules{
		ReflectExamples: omitIfEqual(r.ReflectExamples, former.ReflectExamples),
		ReflectVariants: omitIfEqual(r.ReflectVariants, former.ReflectVariants),
		Reflections:     omitIfEqual(r.Reflections, former.Reflections),
		Instructions:    r.Instructions,
		Confirmed:       r.Confirmed,
	}
}

// OrFormer fills in the rules that a job does not set.
func (r Rules) OrFormer() Rules {
	former := Former()
	return Rules{
		ReflectExamples: cmp.Or(r.ReflectExamples, former.ReflectExamples),
		ReflectVariants: cmp.Or(r.ReflectVariants, former.ReflectVariants),
		Reflections:     cmp.Or(r.Reflections, former.Reflections),
		Instructions:    r.Instructions,
		Confirmed:       r.Confirmed,
	}
}

func omitIfEqual[T comparable](value, former T) T {
	var zero T
	if value == former {
		return zero
	}
	return value
}

// Rows is the number of training examples of each reflection. Several reflections take at most
// a quarter of the runs: with too few runs they have none.
func (r Rules) Rows(runs, train int) int {
	r = r.OrFormer()
	rows := min(r.ReflectExamples, train)
	if r.Reflections > 1 {
		rows = min(rows, runs/(4*r.Reflections))
	}
	return rows
}

// Trials is the maximum number of runs of the trials after some reflections, of at most runs.
// The runs of the reflections count against the same number. It is at least 1: to a race, 0 is
// no limit.
func (r Rules) Trials(runs, train, val, reflections int) int {
	r = r.OrFormer()
	all := max(runs-r.Reflections*r.Rows(runs, train), val)
	return max(all*min(reflections+1, r.Reflections+1)/(r.Reflections+1), 1)
}
