// Package mipro plans the optimization of a program's instructions and demos as DSPy's
// MIPROv2 does, and holds what its stages share. Each stage has a package of its own below:
// bootstrap makes demos, propose writes instructions, search finds the best choice of both,
// and confirm decides whether it may be promoted. A stage lists the answers that it needs
// next and takes them in any order; none calls a model itself, and none knows another. The
// result is a pure function of the job and the answers, so that a stage can be repeated
// from stored answers.
//
// With the same answers, every decision equals DSPy 3.4's, except where DSPy stops with an
// error: labeled demos without bootstrapped ones, a full evaluation after every combination
// had one, too many failed examples, an unreadable answer of the proposer. Then the run
// continues, as the comments at these places say. A call whose answer DSPy discards is not
// made. Additions to DSPy are marked: search.Race, propose.Reflect and confirm.
// Package gepa is a search of its own.
package mipro

import (
	"cmp"
	"fmt"
	"math"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
)

// Settings are MIPROv2's own, by its names. The zero value means its defaults.
type Settings struct {
	Auto                   string   `json:"auto,omitempty"`                      // how much is tried: "light" (default), "medium", "heavy", or "none" to set num_candidates and num_trials
	NumCandidates          int      `json:"num_candidates,omitempty"`            // instructions and demo sets per predictor, with auto "none"
	NumTrials              int      `json:"num_trials,omitempty"`                // trials of the search, with auto "none"
	MaxBootstrappedDemos   *int     `json:"max_bootstrapped_demos,omitempty"`    // demos per predictor that the teacher made; default 4
	MaxLabeledDemos        *int     `json:"max_labeled_demos,omitempty"`         // demos per predictor taken from the trainset; default 4
	MetricThreshold        float64  `json:"metric_threshold,omitempty"`          // minimum score of a demo; default: above 0
	Minibatch              *bool    `json:"minibatch,omitempty"`                 // score trials on a part of the rows; default true; auto decides by the size of the valset
	MinibatchSize          int      `json:"minibatch_size,omitempty"`            // rows of a minibatch; default 35
	MinibatchFullEvalSteps int      `json:"minibatch_full_eval_steps,omitempty"` // trials between evaluations on all rows; default 5
	ProgramAwareProposer   *bool    `json:"program_aware_proposer,omitempty"`    // show the program to the proposer; default true
	DataAwareProposer      *bool    `json:"data_aware_proposer,omitempty"`       // show a summary of the rows to the proposer; default true
	TipAwareProposer       *bool    `json:"tip_aware_proposer,omitempty"`        // give the proposer a tip on style; default true
	FewshotAwareProposer   *bool    `json:"fewshot_aware_proposer,omitempty"`    // show demos to the proposer; default true
	ViewDataBatchSize      int      `json:"view_data_batch_size,omitempty"`      // rows per request for the summary; default 10
	InitTemperature        *float64 `json:"init_temperature,omitempty"`          // temperature of the proposer; default 1
	Seed                   int64    `json:"seed,omitempty"`                      // seed of every random choice; default 9, in mode gepa 0, as in DSPy
}

// Job is everything that a run depends on, besides the answers.
type Job struct {
	Settings Settings
	Program  *prompt.Program
	Teacher  *prompt.Program  // whose runs become demos; nil = Program
	Train    []*prompt.Object // examples: the program's inputs and the outputs that the metric expects
	Val      []*prompt.Object // nil = the last four fifths of Train
	Metric   *metric.Metric
	Student  prompt.Server // server of the program's model
	Tutor    prompt.Server // server of the teacher
	Proposer prompt.Server
	Judge    prompt.Server

	// SharedLabels makes each predictor draw its labeled demos from those of the predictor
	// before it, as DSPy 3.3 did. It is set for jobs that an older build started.
	SharedLabels bool

	// Instructions is the number of instructions that are proposed for each one of DSPy's; then
	// program and predictor are described once for all instructions. 0 = as in DSPy.
	Instructions int
	// HeldOut is the number of examples that are held out for the confirmation, and Confirmed
	// the share of the runs that the search leaves to it, if it has as many examples.
	HeldOut   int
	Confirmed float64
}

const startOptimization = "start optimization"

func refuse(reason string, values ...any) error {
	return fault.New(fault.Input, startOptimization, "", fmt.Sprintf(reason, values...))
}

// autoMode is the number of candidates, and the maximum of validation examples, of an auto
// mode.
func autoMode(name string) (candidates, validation int, err error) {
	switch name {
	case "", "light":
		return 6, 100, nil
	case "medium":
		return 12, 300, nil
	case "heavy":
		return 18, 1000, nil
	}
	return 0, 0, refuse("auto is %q; it must be light, medium, heavy or none", name)
}

// Draws is the maximum number of validation examples of a search; 0 = all.
func (s *Settings) Draws() int {
	_, most, err := autoMode(s.Auto)
	if err != nil { // "none"; NewPlan refuses unknown modes
		return 0
	}
	return most
}

// autoTrials is the number of trials for a number of candidates.
func autoTrials(predictors, candidates int, zeroShot bool) int {
	variables := float64(predictors)
	if !zeroShot {
		variables *= 2
	}
	n := float64(candidates)
	return int(max(2*variables*math.Log2(n), 1.5*n))
}

// ProgramAware reports whether the proposer is shown the program.
func (s *Settings) ProgramAware() bool { return deref(s.ProgramAwareProposer, true) }

// DataAware reports whether the proposer is given a summary of the training examples.
func (s *Settings) DataAware() bool { return deref(s.DataAwareProposer, true) }

func (s *Settings) tipAware() bool { return deref(s.TipAwareProposer, true) }

// FewshotAware reports whether the proposer is shown demos.
func (s *Settings) FewshotAware() bool { return deref(s.FewshotAwareProposer, true) }

// Temperature is the temperature of the proposer.
func (s *Settings) Temperature() float64 { return deref(s.InitTemperature, 1) }

// ViewBatch is the number of examples in one request to the proposer.
func (s *Settings) ViewBatch() int { return cmp.Or(s.ViewDataBatchSize, 10) }

// InstructionOf is the name that MIPROv2 gives the instruction of a predictor in a trial.
func InstructionOf(predictor int) string { return strconv.Itoa(predictor) + "_predictor_instruction" }

func deref[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}
