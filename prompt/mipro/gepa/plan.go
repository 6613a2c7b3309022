package gepa

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
)

// Options are the settings of DSPy's GEPA that MIPROv2 does not have, by DSPy's names. The zero
// value means DSPy's defaults.
type Options struct {
	MaxMetricCalls             int    `json:"max_metric_calls,omitempty"`               // mode gepa: scored runs of the program, instead of auto
	MaxFullEvals               int    `json:"max_full_evals,omitempty"`                 // mode gepa: the budget in evaluations on all rows, instead of auto
	ReflectionMinibatchSize    int    `json:"reflection_minibatch_size,omitempty"`      // mode gepa: rows of one reflection; default 3
	CandidateSelectionStrategy string `json:"candidate_selection_strategy,omitempty"`   // mode gepa: choice of the candidate to rewrite: "pareto" (default) or "current_best"
	SkipPerfectScore           *bool  `json:"skip_perfect_score,omitempty"`             // mode gepa: skip reflections whose rows all have the best score; default true
	AddFormatFailureAsFeedback bool   `json:"add_format_failure_as_feedback,omitempty"` // mode gepa: reflect on answers that could not be read as well
	ComponentSelector          string `json:"component_selector,omitempty"`             // mode gepa: predictors to rewrite: one at a time, "round_robin" (default), or "all"
	UseMerge                   *bool  `json:"use_merge,omitempty"`                      // mode gepa: merge candidates that changed different predictors; default true
	MaxMergeInvocations        *int   `json:"max_merge_invocations,omitempty"`          // mode gepa: maximum number of merges; default 5
}

// Strategies and selectors.
const (
	Pareto      = "pareto"
	CurrentBest = "current_best"
	RoundRobin  = "round_robin"
	All         = "all"
)

// Plan is a job before the first answer.
type Plan struct {
	Base   *mipro.Plan // rows and job
	Budget int         // scored runs after which no iteration begins

	settings  Options
	minibatch int
	merges    int // maximum number; 0 = none
}

func refuse(reason string, values ...any) error {
	return fault.New(fault.Input, "start optimization", "", fmt.Sprintf(reason, values...))
}

// most limits a plan, because a search keeps all its iterations in memory.
const most = 1_000_000

// NewPlan checks a job and plans it.
func NewPlan(job *mipro.Job, s Options) (*Plan, error) {
	base, err := mipro.NewRows(job)
	if err != nil {
		return nil, err
	}
	p := &Plan{Base: base, settings: s, minibatch: cmp.Or(s.ReflectionMinibatchSize, 3)}
	if s.UseMerge == nil || *s.UseMerge {
		p.merges = 5
		if s.MaxMergeInvocations != nil {
			p.merges = *s.MaxMergeInvocations
		}
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	rows := len(base.Val)
	if job.Val != nil {
		rows += len(base.Train)
	}
	switch {
	case s.MaxMetricCalls > 0:
		p.Budget = s.MaxMetricCalls
	case s.MaxFullEvals > 0:
		p.Budget = s.MaxFullEvals * rows
	default:
		p.Budget, err = autoBudget(job.Settings.Auto, len(job.Program.Predictors), len(base.Val))
	}
	if err == nil && p.Budget > most {
		err = refuse("it would make %d scored runs; at most %d are made", p.Budget, most)
	}
	return p, err
}

func (p *Plan) check() error {
	s, of := &p.settings, &p.Base.Job.Settings
	if name := foreign(*of); name != "" {
		return refuse("%s is a setting of MIPROv2; mode gepa has none of that name", name)
	}
	set := 0
	for _, given := range []bool{of.Auto != "", s.MaxFullEvals != 0, s.MaxMetricCalls != 0} {
		if given {
			set++
		}
	}
	switch {
	case set > 1:
		return refuse("auto, max_full_evals and max_metric_calls exclude each other")
	case min(s.MaxFullEvals, s.MaxMetricCalls, s.ReflectionMinibatchSize, p.merges) < 0:
		return refuse("max_full_evals, max_metric_calls, reflection_minibatch_size and max_merge_invocations must not be negative")
	case max(s.MaxFullEvals, s.MaxMetricCalls, p.merges) > most || p.minibatch > 1000:
		return refuse("at most %d evaluations, calls or merges, and 1000 rows of a reflection are taken", most)
	case of.Seed < 0 || of.Seed > math.MaxUint32:
		return refuse("seed is %d; it is from 0 to %d", of.Seed, uint32(math.MaxUint32))
	case of.InitTemperature != nil && (*of.InitTemperature < 0 || *of.InitTemperature > 5):
		return refuse("init_temperature is %v; it is from 0 to 5", *of.InitTemperature)
	case !slices.Contains([]string{"", Pareto, CurrentBest}, s.CandidateSelectionStrategy):
		return refuse("candidate_selection_strategy is %q; it is %s or %s", s.CandidateSelectionStrategy, Pareto, CurrentBest)
	case !slices.Contains([]string{"", RoundRobin, All}, s.ComponentSelector):
		return refuse("component_selector is %q; it is %s or %s", s.ComponentSelector, RoundRobin, All)
	}
	return nil
}

// foreign names a setting that GEPA does not have; "" = there is none.
func foreign(s mipro.Settings) string {
	s.Auto, s.Seed, s.InitTemperature = "", 0, nil
	if s == (mipro.Settings{}) {
		return ""
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "a number" // one that JSON cannot represent
	}
	var given map[string]any
	if json.Unmarshal(text, &given) != nil {
		return ""
	}
	return strings.Join(slices.Sorted(maps.Keys(given)), ", ")
}

// autoBudget is DSPy's number of scored runs of an auto mode.
func autoBudget(auto string, predictors, rows int) (int, error) {
	n := map[string]int{"": 6, "light": 6, "medium": 12, "heavy": 18}[auto]
	if n == 0 {
		return 0, refuse("auto is %q; in mode gepa it is light, medium or heavy", auto)
	}
	const minibatch, fullEvery = 35, 5
	trials := int(max(float64(2*predictors*2)*math.Log2(float64(n)), 1.5*float64(n)))
	return rows + n*5 + trials*minibatch + ((trials+1)/fullEvery+1)*rows, nil // trials are 9 at least
}

// Runs is the maximum number of program runs in a search: the last iteration may begin
// with one run left.
func (p *Plan) Runs() int {
	if p.Budget <= len(p.Base.Val) {
		return len(p.Base.Val)
	}
	return p.Budget - 1 + 2*p.minibatch + len(p.Base.Val)
}

// reflections is the maximum number of iterations that ask for a new instruction.
func (p *Plan) reflections() int {
	return (max(p.Budget-len(p.Base.Val), 0) + 2*p.minibatch - 1) / (2 * p.minibatch)
}

// Trials estimates the number of scored programs in a search, assuming that a third of the new
// instructions is evaluated on all rows.
func (p *Plan) Trials() int {
	left := float64(max(p.Budget-len(p.Base.Val), 0))
	return int(left / (2*float64(p.minibatch) + float64(len(p.Base.Val))/3) * 4 / 3)
}

// Quote is the maximum cost of the search before its first call.
func (p *Plan) Quote() mipro.Quote {
	job, runs := p.Base.Job, p.Runs()
	q := mipro.Quote{
		Student: runs * len(job.Program.Predictors), Proposer: p.reflections(), Judge: runs * job.Metric.Questions(),
	}
	if p.settings.ComponentSelector == All {
		q.Proposer *= len(job.Program.Predictors)
	}
	q.Retries = q.Student*mipro.Retries(job.Student) + q.Proposer*mipro.Retries(job.Proposer) + q.Judge*mipro.Retries(job.Judge)
	return q
}

// Program is the program with these instructions, one per predictor. It is the job's own program
// if the instructions are unchanged.
func (p *Plan) Program(texts []string) *prompt.Program {
	original := p.original()
	if slices.Equal(texts, original) {
		return p.Base.Job.Program
	}
	program := p.Base.Job.Program.Copy()
	for i, text := range texts {
		if text != original[i] {
			program.Predictors[i].Instructions = text
		}
	}
	return program
}

func (p *Plan) original() []string {
	var texts []string
	for _, predictor := range p.Base.Job.Program.Predictors {
		texts = append(texts, predictor.Signature().Objective())
	}
	return texts
}
