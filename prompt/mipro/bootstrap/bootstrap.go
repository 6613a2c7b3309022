// Package bootstrap is the first stage of an optimization: it makes demos from successful
// runs of the teacher. It does not know instructions, trials or models.
package bootstrap

import (
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Bootstrap makes the demo sets: examples on which a run of the teacher succeeds become
// demos of every predictor. Sets are independent of each other. Within a set, only
// examples that are needed in any case run concurrently, so the calls are the same as
// in a sequential run.
type Bootstrap struct {
	plan    *mipro.Plan
	pending mipro.Pending
	runs    []*bootstrapRun // by set; nil = without runs
}

// New starts the first stage.
func New(plan *mipro.Plan) *Bootstrap {
	b := &Bootstrap{plan: plan, runs: make([]*bootstrapRun, len(plan.DemoSets))}
	for i, set := range plan.DemoSets {
		if set.Kind == mipro.BootstrappedSet {
			b.runs[i] = newBootstrapRun(plan, i, set)
			b.runs[i].advance(&b.pending)
		}
	}
	return b
}

// Calls lists the pending calls; none = the stage is over.
func (b *Bootstrap) Calls() []mipro.Call { return b.pending.Calls() }

// Take passes an answer to the stage.
func (b *Bootstrap) Take(id string, answer mipro.Answer) error {
	if err := b.pending.Take(id, answer); err != nil {
		return err
	}
	for _, run := range b.runs {
		if run != nil {
			run.advance(&b.pending)
		}
	}
	return nil
}

// Sets returns the demo sets, by predictor and set, when the stage is over.
func (b *Bootstrap) Sets() [][][]*prompt.Object {
	sets := make([][][]*prompt.Object, len(b.plan.Job.Program.Predictors))
	for i, set := range b.plan.DemoSets {
		var demos [][]*prompt.Object
		switch set.Kind {
		case mipro.EmptySet:
			demos = make([][]*prompt.Object, len(sets))
		case mipro.LabeledSet:
			demos = labels(b.plan, set.Order)
		case mipro.BootstrappedSet:
			demos = b.runs[i].demos()
		}
		for p := range sets {
			sets[p] = append(sets[p], demos[p])
		}
	}
	return sets
}

// labels draws unchanged examples for every predictor.
func labels(p *mipro.Plan, order []int) [][]*prompt.Object {
	rng := python.NewRandom(0)
	demos := make([][]*prompt.Object, len(p.Job.Program.Predictors))
	for i := range demos {
		demos[i] = mipro.Pick(mipro.Pick(p.Train, order), rng.Sample(len(order), min(p.Labeled, len(order))))
	}
	return demos
}

// bootstrapRun runs the teacher on the examples of one set.
type bootstrapRun struct {
	plan    *mipro.Plan
	number  int
	set     mipro.DemoSet
	teacher *prompt.Program // with the labels as demos, if any
	labeled bool            // the teacher has labels as demos
	next    int             // position in the order that is evaluated next
	started int             // position that is started next
	rows    map[int]*mipro.Run
	good    map[int]bool
	traces  [][]*prompt.Object // by predictor
}

func newBootstrapRun(plan *mipro.Plan, number int, set mipro.DemoSet) *bootstrapRun {
	r := &bootstrapRun{
		plan: plan, number: number, set: set, teacher: plan.Teacher().Copy(), labeled: plan.Labeled > 0,
		rows: map[int]*mipro.Run{}, good: map[int]bool{}, traces: make([][]*prompt.Object, len(plan.Job.Program.Predictors)),
	}
	if r.labeled {
		for i, demos := range labels(plan, set.Order) {
			r.teacher.Predictors[i].Demos = demos
		}
	}
	return r
}

// advance evaluates finished runs in order, and starts the runs that are needed in any case.
func (r *bootstrapRun) advance(b *mipro.Pending) {
	for {
		current := r.rows[r.next]
		if current == nil || !current.Done() {
			break
		}
		b.Remove(r.name(r.next))
		r.judge(current)
		delete(r.rows, r.next)
		r.next++
	}
	for r.started < len(r.set.Order) && r.started-r.next < r.set.Boot-len(r.good) {
		if r.started > r.next && r.unsafe() {
			return
		}
		example := r.example(r.started)
		current := r.plan.Start(mipro.Teacher, r.without(example), example)
		r.rows[r.started] = current
		b.Add(r.name(r.started), current)
		r.started++
		if r.started == r.next+1 && current.Done() { // it required no call
			r.advance(b)
			return
		}
	}
}

func (r *bootstrapRun) name(place int) string { return fmt.Sprintf("demos/%d/%d", r.number, place) }

func (r *bootstrapRun) example(place int) *prompt.Object { return r.plan.Train[r.set.Order[place]] }

// unsafe reports whether a running example is among the teacher's demos. If its run fails,
// DSPy does not restore this demo, and all later runs go without it.
func (r *bootstrapRun) unsafe() bool {
	for place := r.next; place < r.started; place++ {
		if r.shows(r.example(place)) {
			return true
		}
	}
	return false
}

func (r *bootstrapRun) shows(example *prompt.Object) bool {
	return r.labeled && slices.ContainsFunc(r.teacher.Predictors, func(p *prompt.Predictor) bool {
		return slices.ContainsFunc(p.Demos, func(d *prompt.Object) bool { return python.Equal(d, example) })
	})
}

// without returns the teacher without the example among its demos.
func (r *bootstrapRun) without(example *prompt.Object) *prompt.Program {
	if !r.shows(example) {
		return r.teacher
	}
	teacher := r.teacher.Copy()
	for _, p := range teacher.Predictors {
		p.Demos = slices.DeleteFunc(slices.Clone(p.Demos), func(d *prompt.Object) bool { return python.Equal(d, example) })
	}
	return teacher
}

// judge keeps the calls of a successful run, unless a file cannot have their values. The number
// of failures is not limited; DSPy stops at the tenth.
func (r *bootstrapRun) judge(current *mipro.Run) {
	if current.Failed() {
		r.teacher = r.without(r.example(r.next))
		return
	}
	score, threshold := current.Score(), r.plan.Job.Settings.MetricThreshold
	infinite := func(s prompt.Step) bool { return !python.IsFinite(s.Demo()) }
	if score == 0 || threshold > 0 && score < threshold || slices.ContainsFunc(current.Trace(), infinite) {
		return
	}
	r.good[r.next] = true
	for _, step := range current.Trace() {
		r.traces[step.Predictor] = append(r.traces[step.Predictor], step.Demo())
	}
}

// demos returns the successful runs, filled up with labels.
func (r *bootstrapRun) demos() [][]*prompt.Object {
	var rest []*prompt.Object
	for place := range r.set.Order {
		if !r.good[place] {
			rest = append(rest, r.example(place))
		}
	}
	python.NewRandom(0).Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	rng := python.NewRandom(0)
	demos := make([][]*prompt.Object, len(r.traces))
	for i, traces := range r.traces {
		traces = traces[:min(len(traces), r.set.Boot)]
		size := max(0, min(r.plan.Labeled-len(traces), len(rest)))
		drawn := mipro.Pick(rest, rng.Sample(len(rest), size))
		demos[i] = slices.Concat(traces, drawn)
		if r.plan.Job.SharedLabels {
			rest = drawn
		}
	}
	return demos
}
