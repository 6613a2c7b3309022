// Package search decides which choice of instructions and demos is tried next, on which
// examples, and which is the best: Search as DSPy does, and Race with fewer calls. Both
// are functions of the previous trials. The package does not know how candidates are
// made, called or confirmed.
package search

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/prompt/tpe"
)

// TrialKind is the purpose of a trial.
type TrialKind string

// The kinds.
const (
	DefaultTrial TrialKind = "default" // the original program, on all examples
	SearchTrial  TrialKind = "search"  // a proposed choice, on a minibatch or all examples
	FullTrial    TrialKind = "full"    // the best choice so far, on all examples
	SampleTrial  TrialKind = "sample"  // mode gepa: new instructions, on the training examples of their reflection
	MergeTrial   TrialKind = "merge"   // mode gepa: a merge of two candidates, on a few examples
)

// Trial is one scored candidate.
type Trial struct {
	Number int            `json:"number"` // Optuna's, from 0
	Kind   TrialKind      `json:"kind"`
	Choice map[string]int `json:"choice"` // by 0_predictor_instruction, 0_predictor_demos, …
	Rows   []int          `json:"rows"`   // of Plan.Val, those of a SampleTrial of Plan.Train
	Scores []float64      `json:"scores"` // of the rows, from 0 to 1
	Score  float64        `json:"score"`  // their mean in percent, to two places
}

// Search finds the best choice of an instruction and a demo set per predictor.
type Search struct {
	plan         *mipro.Plan
	sets         [][][]*prompt.Object // nil in a zero-shot run
	instructions [][]string
	study        *tpe.Study
	rng          *python.Random
	pending      mipro.Pending
	rows         []*mipro.Run
	trials       []Trial
	now          *Trial // running; nil = the search is over
	searched     int    // number of started search trials
	full         map[string]bool
	best         int // trial
}

// OtherTrialError reports a recorded trial that the search would not have made. All trials
// before it belong to the search.
type OtherTrialError struct{ Trial int }

func (e *OtherTrialError) Error() string {
	return fmt.Sprintf("trial %d does not belong to this search", e.Trial)
}

// New starts the third stage, or continues it after the trials in made.
func New(plan *mipro.Plan, sets [][][]*prompt.Object, instructions [][]string, made []Trial) (*Search, error) {
	s := &Search{plan: plan, sets: sets, instructions: instructions, rng: plan.Random(), full: map[string]bool{}}
	if plan.ZeroShot {
		s.sets = nil
	}
	var params []tpe.Param
	for i, candidates := range instructions {
		params = append(params, tpe.Param{Name: instructionOf(i), Choices: len(candidates)})
		if s.sets != nil {
			params = append(params, tpe.Param{Name: demosOf(i), Choices: len(s.sets[i])})
		}
	}
	var err error
	if s.study, err = tpe.New(uint32(plan.Seed), params); err != nil {
		return nil, err
	}
	choice := map[string]int{}
	for _, p := range params {
		choice[p.Name] = 0
	}
	s.begin(DefaultTrial, choice, nil)
	for i, trial := range made {
		if s.now == nil || s.now.Kind != trial.Kind || !maps.Equal(s.now.Choice, trial.Choice) || !slices.Equal(s.now.Rows, trial.Rows) {
			return nil, fault.Wrap(fault.Input, "resume search", "", &OtherTrialError{Trial: i})
		}
		s.finish(trial.Scores)
	}
	s.start()
	return s, nil
}

func instructionOf(predictor int) string { return mipro.InstructionOf(predictor) }
func demosOf(predictor int) string       { return strconv.Itoa(predictor) + "_predictor_demos" }

// Calls lists the pending calls; none = the search is over.
func (s *Search) Calls() []mipro.Call { return s.pending.Calls() }

// Take passes an answer to the search.
func (s *Search) Take(id string, answer mipro.Answer) error {
	if err := s.pending.Take(id, answer); err != nil {
		return err
	}
	s.settle()
	return nil
}

// Trials lists the complete trials.
func (s *Search) Trials() []Trial { return s.trials }

// begin prepares the next trial; nil rows = all.
func (s *Search) begin(kind TrialKind, choice map[string]int, rows []int) {
	if rows == nil {
		rows = make([]int, len(s.plan.Val))
		for i := range rows {
			rows[i] = i
		}
	}
	s.now = &Trial{Number: len(s.trials), Kind: kind, Choice: choice, Rows: rows}
}

// start starts the runs of the next trial.
func (s *Search) start() {
	if s.now == nil {
		return
	}
	candidate := s.plan.Job.Program
	if s.now.Kind != DefaultTrial {
		candidate = s.Candidate(s.now.Choice)
	}
	s.pending, s.rows = mipro.Pending{}, nil
	for _, i := range s.now.Rows {
		example := s.plan.Val[i]
		r := s.plan.Start(mipro.Student, candidate, example)
		s.rows = append(s.rows, r)
		s.pending.Add(fmt.Sprintf("trial/%d/%d", s.now.Number, i), r)
	}
	s.settle()
}

// settle completes the trial when all its runs are done, and starts the next.
func (s *Search) settle() {
	for s.now != nil && !slices.ContainsFunc(s.rows, func(r *mipro.Run) bool { return !r.Done() }) {
		scores := make([]float64, len(s.rows))
		for i, r := range s.rows {
			scores[i] = r.Score()
		}
		s.finish(scores)
		s.pending, s.rows = mipro.Pending{}, nil
		s.start()
	}
}

// finish records the current trial and prepares the next.
func (s *Search) finish(scores []float64) {
	trial := *s.now
	trial.Scores, trial.Score = scores, mipro.Percent(scores)
	s.trials = append(s.trials, trial)
	s.now = nil
	// The choice is valid by construction and a score is never NaN.
	_ = s.study.Add(tpe.Trial{Choice: trial.Choice, Value: trial.Score})
	if whole := trial.Kind == FullTrial || s.plan.Minibatch == 0; whole && trial.Score > s.trials[s.best].Score {
		s.best = len(s.trials) - 1
	}
	if trial.Kind == FullTrial {
		s.full[key(trial.Choice)] = true
	}
	if trial.Kind == SearchTrial && s.fullIsDue(trial.Number+1) {
		if choice := s.promising(); choice != nil {
			s.begin(FullTrial, choice, nil)
			return
		}
	}
	if s.searched == s.plan.Trials {
		return
	}
	s.searched++
	choice := s.study.Suggest()
	var rows []int
	if s.plan.Minibatch > 0 && s.plan.Minibatch < len(s.plan.Val) {
		rows = s.rng.Sample(len(s.plan.Val), s.plan.Minibatch)
	}
	s.begin(SearchTrial, choice, rows)
}

// fullIsDue reports whether a full evaluation follows the trial with this number,
// counted from 1.
func (s *Search) fullIsDue(number int) bool {
	if s.plan.Minibatch == 0 {
		return false
	}
	trials, every := s.plan.Trials, s.plan.FullEvery
	all := trials + trials/every + 1
	if trials%every != 0 {
		all++
	}
	return number%(every+1) == 0 || number == all-1
}

// promising returns the choice without a full evaluation that has the best mean of its
// minibatch scores, the first of equal ones. nil = all have a full evaluation; DSPy stops
// with an error then.
func (s *Search) promising() map[string]int {
	type candidate struct {
		choice map[string]int
		sum    float64
		n      float64
	}
	var order []*candidate
	known := map[string]*candidate{}
	for _, trial := range s.trials {
		if trial.Kind != SearchTrial {
			continue
		}
		c := known[key(trial.Choice)]
		if c == nil {
			c = &candidate{choice: trial.Choice}
			known[key(trial.Choice)] = c
			order = append(order, c)
		}
		c.sum += trial.Score
		c.n++
	}
	slices.SortStableFunc(order, func(a, b *candidate) int {
		switch ma, mb := a.sum/a.n, b.sum/b.n; {
		case ma > mb:
			return -1
		case ma < mb:
			return 1
		}
		return 0
	})
	for _, c := range order {
		if !s.full[key(c.choice)] {
			return c.choice
		}
	}
	return nil
}

func key(choice map[string]int) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(choice)) {
		fmt.Fprintf(&b, "%s=%d ", name, choice[name])
	}
	return b.String()
}

// Candidate returns the program with a choice of instructions and demos.
func (s *Search) Candidate(choice map[string]int) *prompt.Program {
	candidate := s.plan.Job.Program.Copy()
	for i, p := range candidate.Predictors {
		p.Instructions = s.instructions[i][choice[instructionOf(i)]]
		if s.sets != nil {
			p.Demos = s.sets[i][choice[demosOf(i)]]
		}
	}
	return candidate
}

// Best returns the best program so far and its trial: the original program, unless a full
// evaluation was strictly better.
func (s *Search) Best() (*prompt.Program, Trial) {
	trial := s.trials[s.best]
	if trial.Kind == DefaultTrial {
		return s.plan.Job.Program, trial
	}
	return s.Candidate(trial.Choice), trial
}
