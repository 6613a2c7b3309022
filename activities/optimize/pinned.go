package optimize

import (
	"cmp"
	"errors"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
)

// The version of a job's decisions changes whenever a search would make other requests or
// decide differently from the same answers. A job keeps the version that it began with.
const (
	formerVersion = 1 // as DSPy 3.3
	searchVersion = 2 // as DSPy 3.4
	fieldVersion  = 3 // the same, with fields or rows that former builds refuse: images, defaults, no value of an optional input
)

// version is the version of a new job. A job with one predictor and without a schema that a
// server enforces is decided equally by both versions, and keeps its name.
func (j jobFile) version(program *prompt.Program) int {
	m := j.Models
	if j.Mode != ModeGEPA && len(program.Predictors) == 1 && !m.Student.Server.Schema && !m.Teacher.Server.Schema &&
		!m.Proposer.Server.Schema && !m.Judge.Server.Schema {
		return formerVersion
	}
	return searchVersion
}

// knownVersion reports whether this build decides a job of a version.
func knownVersion(v int) bool { return v >= formerVersion && v <= fieldVersion }

// server is a model's server as the job uses it.
func (j jobFile) server(m prompt.Model) prompt.Server {
	m.Server.JSONAfterSchema = j.Version == formerVersion
	return m.Server
}

// searchRules are the numbers by which the activities decide. They are pinned in the job,
// which another build may finish. Zero fields mean formerRules.
type searchRules struct {
	// ReflectExamples is the number of training examples that improved mode searches for
	// failures; ReflectVariants is the number of new instructions per predictor.
	ReflectExamples int `json:"reflect_examples,omitempty"`
	ReflectVariants int `json:"reflect_variants,omitempty"`
	// Doubt is the assumed probability that the choice of DSPy's search is not better than
	// the original program. It was worse in one of ten runs of docs/benchmarks/mipro; a
	// race whose best is worse that often uses the same value.
	Doubt float64 `json:"doubt,omitempty"`
}

// currentRules are the rules of jobs that this build begins.
func currentRules() searchRules {
	return searchRules{ReflectExamples: 24, ReflectVariants: 2, Doubt: 0.04}
}

// formerRules are the rules of builds that did not pin them; they never change.
func formerRules() searchRules {
	return searchRules{ReflectExamples: 24, ReflectVariants: 2, Doubt: 0.04}
}

// pinned omits the rules that equal the former ones, so that such a job keeps its name.
func (r searchRules) pinned() searchRules {
	former := formerRules()
	return searchRules{
		ReflectExamples: omitIfEqual(r.ReflectExamples, former.ReflectExamples),
		ReflectVariants: omitIfEqual(r.ReflectVariants, former.ReflectVariants),
		Doubt:           omitIfEqual(r.Doubt, former.Doubt),
	}
}

// orFormer fills in the rules that a job does not set.
func (r searchRules) orFormer() searchRules {
	former := formerRules()
	return searchRules{
		ReflectExamples: cmp.Or(r.ReflectExamples, former.ReflectExamples),
		ReflectVariants: cmp.Or(r.ReflectVariants, former.ReflectVariants),
		Doubt:           cmp.Or(r.Doubt, former.Doubt),
	}
}

func omitIfEqual[T comparable](value, former T) T {
	var zero T
	if value == former {
		return zero
	}
	return value
}

// resumed continues a search. If this build decides differently from the stored trials, it
// continues from the last trial on which both agree. An upgrade thus never fails a run, and
// costs little, because the answers are stored.
func resumed(plan *mipro.Plan, sets [][][]*prompt.Object, instructions [][]string, made []search.Trial) (*search.Search, error) {
	s, err := search.New(plan, sets, instructions, made)
	if other, ok := errors.AsType[*search.OtherTrialError](err); ok {
		return search.New(plan, sets, instructions, made[:other.Trial])
	}
	return s, err
}
