package mipro

import (
	"cmp"
	"math"
	"slices"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Plan is a job before the first answer: the data split, all counts, and all random draws
// that precede the search. None of them depends on an answer.
type Plan struct {
	Train []*prompt.Object
	Val   []*prompt.Object // drawn, in the order of scoring

	Sets         int // demo sets per predictor
	Instructions int // per predictor, including the original one
	Trials       int // of the search, without the full evaluations between them
	Minibatch    int // examples per trial; 0 = all of Val
	FullEvery    int // trials between full evaluations of the best so far
	ZeroShot     bool

	Job       *Job
	boot      int // maximum of bootstrapped demos per set
	Labeled   int
	DemoSets  []DemoSet
	Proposals [][]Proposal // by predictor; the first is never made
	Seed      int64
	words     uint64 // drawn from the generator before the search
}

// DemoSet is how one demo set is made.
type DemoSet struct {
	Kind  SetKind
	Order []int // of Train
	Boot  int
}

// SetKind is the content of a demo set.
type SetKind int

// The kinds.
const (
	EmptySet SetKind = iota
	LabeledSet
	BootstrappedSet
)

// Proposal is how one instruction is proposed.
type Proposal struct {
	Tip     string // "" = none
	Rollout int64  // distinguishes repeated equal requests
}

// ProposerDemos is how many demos a zero-shot run bootstraps for the proposer, and how many
// a proposal shows.
const ProposerDemos = 3

// NewPlan checks a job and plans it.
func NewPlan(job *Job) (*Plan, error) {
	s := &job.Settings
	p := &Plan{
		Job: job, boot: deref(s.MaxBootstrappedDemos, 4), Labeled: deref(s.MaxLabeledDemos, 4),
		FullEvery: cmp.Or(s.MinibatchFullEvalSteps, 5), Seed: cmp.Or(s.Seed, 9),
		Sets: s.NumCandidates, Instructions: s.NumCandidates, Trials: s.NumTrials,
	}
	if err := checkNumbers(s, p); err != nil {
		return nil, err
	}
	p.ZeroShot = p.boot == 0 && p.Labeled == 0
	if err := p.split(); err != nil {
		return nil, err
	}
	if err := p.checkColumns(); err != nil {
		return nil, err
	}
	rng := python.NewRandom(p.Seed)
	minibatch := deref(s.Minibatch, true)
	if s.Auto != "none" {
		candidates, most, err := autoMode(s.Auto)
		if err != nil {
			return nil, err
		}
		p.Val = Pick(p.Val, rng.Sample(len(p.Val), min(most, len(p.Val))))
		minibatch = len(p.Val) > 50
		p.Sets, p.Instructions = candidates, candidates
		if !p.ZeroShot {
			p.Instructions = candidates / 2
		}
		p.Trials = autoTrials(len(job.Program.Predictors), candidates, p.ZeroShot)
	}
	if minibatch {
		p.Minibatch = cmp.Or(s.MinibatchSize, 35)
		if p.Minibatch > len(p.Val) {
			return nil, refuse("a minibatch has %d examples, but the validation set only %d", p.Minibatch, len(p.Val))
		}
	}
	p.drawSets(rng)
	p.drawProposals(rng)
	p.words = rng.Words()
	return p, nil
}

// NewRows plans the rows of a job for a search that is not MIPROv2's. Without a validation
// set, the training examples are both.
func NewRows(job *Job) (*Plan, error) {
	p := &Plan{Job: job, Train: job.Train, Val: job.Val, Seed: job.Settings.Seed}
	if p.Val == nil {
		p.Val = p.Train
	}
	switch {
	case job.Program == nil || job.Metric == nil:
		return nil, refuse("a job requires a program and a metric")
	case len(p.Train) == 0:
		return nil, refuse("the training set is empty")
	case len(p.Val) == 0:
		return nil, refuse("the validation set is empty")
	}
	return p, p.checkColumns()
}

func checkNumbers(s *Settings, p *Plan) error {
	switch {
	case s.Auto == "none" && (s.NumCandidates <= 0 || s.NumTrials <= 0):
		return refuse("with auto \"none\", num_candidates and num_trials are both required")
	case s.Auto != "none" && (s.NumCandidates != 0 || s.NumTrials != 0):
		return refuse("auto sets num_candidates and num_trials; leave them out, or set auto to none")
	case s.NumCandidates > 1000 || s.NumTrials > 10_000:
		return refuse("num_candidates must be at most 1000, and num_trials at most 10000")
	case p.boot < 0 || p.Labeled < 0 || p.boot > 1000 || p.Labeled > 1000:
		return refuse("max_bootstrapped_demos and max_labeled_demos must be from 0 to 1000")
	case s.Seed < 0 || s.Seed > math.MaxUint32:
		return refuse("seed is %d; it must be from 0 to %d, and 0 means 9", s.Seed, uint32(math.MaxUint32))
	case s.InitTemperature != nil && (*s.InitTemperature < 0 || *s.InitTemperature > 5):
		return refuse("init_temperature is %v; it must be from 0 to 5", *s.InitTemperature)
	case s.MinibatchSize < 0 || s.MinibatchFullEvalSteps < 0 || s.ViewDataBatchSize < 0 || s.MetricThreshold < 0:
		return refuse("minibatch_size, minibatch_full_eval_steps, view_data_batch_size and metric_threshold must not be negative")
	case p.Job.Program == nil || p.Job.Metric == nil:
		return refuse("a job requires a program and a metric")
	case p.Job.Teacher != nil && len(p.Job.Teacher.Predictors) != len(p.Job.Program.Predictors):
		return refuse("the teacher has %d predictors, but the program has %d", len(p.Job.Teacher.Predictors), len(p.Job.Program.Predictors))
	}
	return nil
}

// split splits off the validation examples.
func (p *Plan) split() error {
	train, val := p.Job.Train, p.Job.Val
	switch {
	case len(train) == 0:
		return refuse("the training set is empty")
	case val == nil && len(train) < 2:
		return refuse("the training set has one example; without a validation set at least two are required")
	case val != nil && len(val) == 0:
		return refuse("the validation set is empty")
	case val == nil:
		size := min(1000, max(1, int(float64(len(train))*0.80)))
		train, val = train[:len(train)-size], train[len(train)-size:]
	}
	p.Train, p.Val = train, val
	return nil
}

// checkColumns refuses an example that lacks an input without a default that must not be null.
func (p *Plan) checkColumns() error {
	for _, rows := range []struct {
		name     string
		examples []*prompt.Object
	}{{"training", p.Train}, {"validation", p.Val}} {
		for i, example := range rows.examples {
			for _, f := range p.Job.Program.Inputs() {
				if _, ok := example.Get(f.Name); !ok && f.Default == nil && !f.Nullable() {
					return refuse("%s example %d lacks the program's input %q", rows.name, i+1, f.Name)
				}
			}
		}
	}
	return nil
}

// drawSets plans the demo sets: none, labels only, runs in the given order, and runs in
// random orders.
func (p *Plan) drawSets(rng *python.Random) {
	boot := p.boot
	if p.ZeroShot {
		boot = ProposerDemos
	}
	for s := -3; s < p.Sets-3; s++ {
		set := DemoSet{Kind: BootstrappedSet, Boot: boot, Order: make([]int, len(p.Train))}
		for i := range set.Order {
			set.Order[i] = i
		}
		switch {
		case s == -3:
			set.Kind = EmptySet
		case s == -2 && p.Labeled > 0:
			set.Kind = LabeledSet
		case s == -1:
		default:
			rng.Shuffle(len(set.Order), func(i, j int) { set.Order[i], set.Order[j] = set.Order[j], set.Order[i] })
			if boot > 0 { // with labels only, DSPy draws from 1 to 0 and fails; here the set has labels only
				set.Boot = rng.Int(1, boot)
			}
		}
		p.DemoSets = append(p.DemoSets, set)
	}
}

// tipTexts are the tips of a proposal, in the order of DSPy's keys.
var tipTexts = []string{ //nolint:gochecknoglobals // a table
	"",
	"Don't be afraid to be creative when creating the new instruction!",
	"Keep the instruction clear and concise.",
	"Make sure your instruction is very informative and descriptive.",
	"The instruction should include a high stakes scenario in which the LM must solve the task!",
	`Include a persona that is relevant to the task in the instruction (ie. "You are a ...")`,
}

func (p *Plan) drawProposals(rng *python.Random) {
	tips := p.Job.Settings.tipAware()
	draw := func() (next Proposal) {
		if tips {
			next.Tip = tipTexts[rng.Choice(len(tipTexts))]
		}
		next.Rollout = int64(rng.Int(0, 1_000_000_000))
		return next
	}
	for range p.Job.Program.Predictors {
		var drawn []Proposal
		for range min(p.Instructions, max(p.Sets, 1)) {
			drawn = append(drawn, draw())
		}
		p.Proposals = append(p.Proposals, drawn)
	}
	if p.Job.Instructions == 0 {
		return
	}
	for i, drawn := range p.Proposals { // after those of DSPy, which do not change
		for range len(drawn)*p.Job.Instructions + 1 - len(drawn) {
			p.Proposals[i] = append(p.Proposals[i], draw())
		}
	}
}

// Random returns the generator in its state at the beginning of the search.
func (p *Plan) Random() *python.Random {
	rng := python.NewRandom(p.Seed)
	rng.Skip(p.words)
	return rng
}

// Teacher is the program whose runs become demos.
func (p *Plan) Teacher() *prompt.Program {
	if p.Job.Teacher != nil {
		return p.Job.Teacher
	}
	return p.Job.Program
}

// Inputs are the columns of an example that the program may read.
func (p *Plan) Inputs(example *prompt.Object) *prompt.Object {
	fields := p.Job.Program.Inputs()
	inputs := &prompt.Object{}
	for _, k := range example.Keys() {
		if slices.ContainsFunc(fields, func(f prompt.Field) bool { return f.Name == k }) {
			v, _ := example.Get(k)
			inputs.Set(k, v)
		}
	}
	return inputs
}

// Pick returns the items at the given places.
func Pick[T any](from []T, places []int) []T {
	picked := make([]T, len(places))
	for i, place := range places {
		picked[i] = from[place]
	}
	return picked
}
