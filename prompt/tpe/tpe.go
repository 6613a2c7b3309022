// Package tpe proposes the next trial over categorical parameters from past trials: the
// multivariate tree-structured Parzen estimator of Optuna, with its defaults and its random
// numbers. A study is a pure value, and the package knows nothing about prompts.
package tpe

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Optuna's defaults.
const (
	startup    = 10 // trials that are drawn at random first
	candidates = 24 // drawn, of which the most promising is proposed
	gammaLimit = 25 // maximum number of trials that count as good
	recent     = 25 // trials that count in full; older ones count less
)

// Param is one categorical parameter.
type Param struct {
	Name    string `json:"name"`
	Choices int    `json:"choices"` // at least 1
}

// Trial is a choice for every parameter, by number from 0, and its value. Higher is better.
type Trial struct {
	Choice map[string]int `json:"choice"`
	Value  float64        `json:"value"`
}

// Study proposes trials. Make it with New.
type Study struct {
	params  []Param // in the order of the suggestions
	sorted  []Param // by name, those with more than one choice
	trials  []Trial // complete ones, in the order of their numbers
	startRG *python.RandomState
	tpeRG   *python.RandomState
	seed    uint32
}

// State is everything that a study needs, besides its parameters and trials, to continue as
// if it had never stopped: how many numbers it drew from each generator.
type State struct {
	Seed    uint32 `json:"seed"`
	Startup uint64 `json:"startup"`
	TPE     uint64 `json:"tpe"`
}

// New returns a study without trials.
func New(seed uint32, params []Param) (*Study, error) {
	return Resume(State{Seed: seed}, params, nil)
}

// Resume returns the study that had the state after the trials.
func Resume(state State, params []Param, trials []Trial) (*Study, error) {
	s := &Study{
		params: params, seed: state.Seed,
		startRG: python.NewRandomState(state.Seed), tpeRG: python.NewRandomState(state.Seed),
	}
	s.startRG.Skip(state.Startup)
	s.tpeRG.Skip(state.TPE)
	names := map[string]bool{}
	for _, p := range params {
		if p.Choices < 1 || names[p.Name] {
			return nil, fault.New(fault.Input, "start search", p.Name, fmt.Sprintf(
				"a parameter has a name of its own and at least one choice, not %d", p.Choices))
		}
		names[p.Name] = true
		if p.Choices > 1 {
			s.sorted = append(s.sorted, p)
		}
	}
	slices.SortFunc(s.sorted, func(a, b Param) int { return cmp.Compare(a.Name, b.Name) })
	for _, trial := range trials {
		if err := s.Add(trial); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// State returns the study's state, for Resume.
func (s *Study) State() State {
	return State{Seed: s.seed, Startup: s.startRG.Drawn(), TPE: s.tpeRG.Drawn()}
}

// Add records a complete trial.
func (s *Study) Add(trial Trial) error {
	for _, p := range s.params {
		if c, ok := trial.Choice[p.Name]; !ok || c < 0 || c >= p.Choices {
			return fault.New(fault.Input, "record trial", p.Name, fmt.Sprintf("choice %d is not one of %d", c, p.Choices))
		}
	}
	if math.IsNaN(trial.Value) {
		return fault.New(fault.Input, "record trial", "", "its value is not a number")
	}
	s.trials = append(s.trials, Trial{Choice: maps.Clone(trial.Choice), Value: trial.Value})
	return nil
}

// Suggest proposes a choice for every parameter and draws from the generators.
func (s *Study) Suggest() map[string]int {
	choice := make(map[string]int, len(s.params))
	if len(s.trials) < startup || len(s.sorted) == 0 {
		for _, p := range s.params {
			choice[p.Name] = 0
			if p.Choices > 1 {
				choice[p.Name] = argmax(s.startRG.Floats(p.Choices))
			}
		}
		return choice
	}
	below, above := s.split()
	good, bad := newMixture(s.sorted, below), newMixture(s.sorted, above)
	points := good.sample(s.tpeRG, candidates)
	promise := make([]float64, len(points))
	for i, x := range points {
		promise[i] = good.logDensity(x) - bad.logDensity(x)
	}
	best := points[argmax(promise)]
	for _, p := range s.params {
		choice[p.Name] = 0
	}
	for d, p := range s.sorted {
		choice[p.Name] = best[d]
	}
	return choice
}

// split divides the trials into the few best and the others, each by number.
func (s *Study) split() (below, above []Trial) {
	order := make([]int, len(s.trials))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.trials[b].Value, s.trials[a].Value) })
	n := min(int(math.Ceil(0.1*float64(len(order)))), gammaLimit)
	pick := func(numbers []int) []Trial {
		numbers = slices.Sorted(slices.Values(numbers))
		trials := make([]Trial, len(numbers))
		for i, number := range numbers {
			trials[i] = s.trials[number]
		}
		return trials
	}
	return pick(order[:n]), pick(order[n:])
}

// argmax returns the index of the first maximum.
func argmax(values []float64) int {
	best := 0
	for i, v := range values {
		if v > values[best] {
			best = i
		}
	}
	return best
}
