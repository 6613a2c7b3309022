package optimize

import (
	"cmp"
	"errors"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
)

// searchVersion changes whenever a search would ask other questions or decide
// otherwise from the same answers. A job keeps the version that it began with.
const searchVersion = 1

// searchRules are the numbers by which the activities decide. They are pinned in
// the job, which another build may finish. Zero fields mean formerRules.
type searchRules struct {
	// ReflectExamples is how many of the training set failures are looked for on, in
	// the improved mode; ReflectVariants is how many new instructions a predictor gets.
	ReflectExamples int `json:"reflect_examples,omitempty"`
	ReflectVariants int `json:"reflect_variants,omitempty"`
	// Doubt is the doubt that what DSPy's search prefers is better than the program as
	// it was. It was worse in one of ten runs of docs/benchmarks/mipro; a race whose
	// best is worse so often doubts it by as much as this.
	Doubt float64 `json:"doubt,omitempty"`
}

// theseRules are those of the jobs that this build begins.
func theseRules() searchRules {
	return searchRules{ReflectExamples: 24, ReflectVariants: 2, Doubt: 0.04}
}

// formerRules are those of the builds that did not pin them; they never change.
func formerRules() searchRules {
	return searchRules{ReflectExamples: 24, ReflectVariants: 2, Doubt: 0.04}
}

// pinned leaves out what a job means that does not say, so that a job whose rules
// are the former ones keeps its name.
func (r searchRules) pinned() searchRules {
	former := formerRules()
	return searchRules{
		ReflectExamples: unless(r.ReflectExamples, former.ReflectExamples),
		ReflectVariants: unless(r.ReflectVariants, former.ReflectVariants),
		Doubt:           unless(r.Doubt, former.Doubt),
	}
}

// orFormer fills in what a job does not say.
func (r searchRules) orFormer() searchRules {
	former := formerRules()
	return searchRules{
		ReflectExamples: cmp.Or(r.ReflectExamples, former.ReflectExamples),
		ReflectVariants: cmp.Or(r.ReflectVariants, former.ReflectVariants),
		Doubt:           cmp.Or(r.Doubt, former.Doubt),
	}
}

func unless[T comparable](value, meant T) T {
	var zero T
	if value == meant {
		return zero
	}
	return value
}

// resumed goes on with a search. A build that would have made another trial than
// the one that is stored goes on from the last that both would have made: the
// answers are stored, and a run does not fail for an upgrade.
func resumed(plan *mipro.Plan, sets [][][]*prompt.Object, instructions [][]string, made []search.Trial) (*search.Search, error) {
	s, err := search.New(plan, sets, instructions, made)
	if other, ok := errors.AsType[*search.OtherTrialError](err); ok {
		return search.New(plan, sets, instructions, made[:other.Trial])
	}
	return s, err
}
