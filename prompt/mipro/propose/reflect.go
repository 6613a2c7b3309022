package propose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Limits of a reflection.
const (
	failuresShown = 8
	longestShown  = 2000 // characters of one value
)

const (
	reflect = "I gave an assistant the current instruction to perform a task for me. Below are examples on which it went wrong, each with the " +
		"inputs that the assistant was given, what it answered, and what the whole program should have produced. Find what the examples " +
		"have in common: facts about the task and rules that the instruction does not state and the assistant could not know. Then write " +
		"a new instruction that states them, keeps what was right about the current one, and does not mention single examples."
	failuresText = "Examples on which the assistant went wrong."
	newText      = "A new instruction for the assistant: the whole text, and nothing else."
)

// Reflect proposes instructions from failures: it runs a program on training examples and
// shows a model those with low scores. DSPy's MIPROv2 does not have it. The examples are
// from the training set, so the instructions can be evaluated on other examples.
type Reflect struct {
	plan    *mipro.Plan
	program *prompt.Program
	size    Reflection
	pending mipro.Pending
	rows    []*mipro.Run
	writers [][]*reflection // by predictor; nil = the runs are not complete
}

// Reflection is the size of a reflection.
type Reflection struct {
	Examples int // maximum number of training examples
	Variants int // instructions that are written for each predictor
	// Number counts the reflections of a job from 1. Each has other examples, as long as there
	// are any, and shows the feedback of the metric. 0 is the only reflection of a job of an
	// older build.
	Number int
}

// examples returns the training examples of a reflection.
func (r Reflection) examples(plan *mipro.Plan) []int {
	all, n := len(plan.Train), min(r.Examples, len(plan.Train))
	if r.Number == 0 {
		return python.NewRandom(plan.Seed).Sample(all, n)
	}
	order := python.NewRandom(plan.Seed).Sample(all, all)
	chosen := make([]int, n)
	for i := range chosen {
		chosen[i] = order[((r.Number-1)*n+i)%all]
	}
	return chosen
}

// NewReflect starts a reflection.
func NewReflect(plan *mipro.Plan, program *prompt.Program, size Reflection) *Reflect {
	r := &Reflect{plan: plan, program: program, size: size}
	for _, i := range size.examples(plan) {
		example := plan.Train[i]
		r.rows = append(r.rows, plan.Start(mipro.Student, program, example))
		r.pending.Add(fmt.Sprintf("reflect/%d", i), r.rows[len(r.rows)-1])
	}
	r.advance()
	return r
}

// Calls lists the pending calls; none = the reflection is over.
func (r *Reflect) Calls() []mipro.Call { return r.pending.Calls() }

// Take passes an answer to the reflection.
func (r *Reflect) Take(id string, answer mipro.Answer) error {
	if err := r.pending.Take(id, answer); err != nil {
		return err
	}
	r.advance()
	return nil
}

// Instructions returns the new instructions by predictor, without duplicates. The result
// is empty if no example failed.
func (r *Reflect) Instructions() [][]string {
	all := make([][]string, len(r.program.Predictors))
	for predictor, writers := range r.writers {
		for _, w := range writers {
			current := r.program.Predictors[predictor].Signature().Objective()
			if w.text != "" && w.text != current && !slices.Contains(all[predictor], w.text) {
				all[predictor] = append(all[predictor], w.text)
			}
		}
	}
	return all
}

// advance starts the writers when all runs are complete.
func (r *Reflect) advance() {
	if r.writers != nil || slices.ContainsFunc(r.rows, func(x *mipro.Run) bool { return !x.Done() }) {
		return
	}
	r.writers = make([][]*reflection, len(r.program.Predictors))
	failed := slices.DeleteFunc(slices.Clone(r.rows), func(x *mipro.Run) bool { return x.Score() >= 1 })
	slices.SortStableFunc(failed, func(a, b *mipro.Run) int {
		switch {
		case a.Score() < b.Score():
			return -1
		case a.Score() > b.Score():
			return 1
		}
		return 0
	})
	failed = failed[:min(len(failed), failuresShown)]
	if len(failed) == 0 {
		return
	}
	for predictor := range r.program.Predictors {
		for v := range r.size.Variants {
			w := newReflection(r, predictor, v, failed)
			r.writers[predictor] = append(r.writers[predictor], w)
			r.pending.Add(fmt.Sprintf("reflection/%d/%d", predictor, v), w)
		}
	}
}

// reflection writes one instruction.
type reflection struct {
	plan    *mipro.Plan
	run     *prompt.Execution
	variant int
	text    string
}

func newReflection(r *Reflect, predictor, variant int, failed []*mipro.Run) *reflection {
	signature := r.program.Predictors[predictor].Signature()
	shown := make([]string, len(failed))
	for i, x := range failed {
		shown[i] = fmt.Sprintf("Example %d, score %s\n%s", i+1, python.Repr(mipro.Percent([]float64{x.Score()})), r.describe(x, predictor))
	}
	program := ask(reflect, []prompt.Field{
		field("program_code", codeText), field("module", "The module whose instruction is to be written."),
		field("current_instruction", "The current instruction."), field("failures", failuresText),
	}, "new_instruction", newText)
	return &reflection{plan: r.plan, variant: variant, run: program.Start(python.NewObject(
		"program_code", r.program.Source(),
		"module", r.program.Predictors[predictor].Name+"("+names(signature.Inputs)+") -> "+names(signature.Outputs),
		"current_instruction", signature.Objective(), "failures", strings.Join(shown, "\n\n")), r.plan.Job.Proposer)}
}

// describe formats the inputs and outputs of a predictor, the expected outputs, and the
// feedback of the metric.
func (r *Reflect) describe(run *mipro.Run, predictor int) string {
	var b strings.Builder
	said := false
	for _, step := range run.Trace() {
		if step.Predictor == predictor {
			said = true
			section(&b, "given", step.Inputs, nil)
			section(&b, "answered", step.Outputs, nil)
		}
	}
	if !said {
		section(&b, "given", r.plan.Inputs(run.Example), nil)
		b.WriteString("answered: nothing that could be read\n")
	}
	section(&b, "expected of the program", run.Example, r.plan.Inputs(run.Example))
	if feedback := run.Feedback(r.program.Predictors[predictor].Name); r.size.Number > 0 && feedback != "" {
		b.WriteString("feedback: " + feedback + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// section formats the members of an object that are not in another.
func section(b *strings.Builder, title string, o, without *prompt.Object) {
	b.WriteString(title + ":\n")
	for _, k := range o.Keys() {
		if _, skip := without.Get(k); skip || strings.HasPrefix(k, "dspy_") {
			continue
		}
		v, _ := o.Get(k)
		text := python.Str(image.Describe(v))
		if short := firstRunes(text, longestShown); short != text {
			text = short + " …"
		}
		fmt.Fprintf(b, "  %s: %s\n", k, text)
	}
}

func (w *reflection) Call() *mipro.Call {
	if w.run.Next() == nil {
		return nil
	}
	temperature := w.plan.Job.Settings.Temperature()
	return &mipro.Call{Role: mipro.Proposer, Request: w.run.Next(), Temperature: &temperature, Rollout: int64(w.variant + 1)}
}

func (w *reflection) Take(answer mipro.Answer) {
	w.run.TakeSaid(answer.Said())
	if w.run.Next() != nil {
		return
	}
	outputs, err := w.run.Result()
	if err != nil {
		return
	}
	if text := stripPrefix(textOf(outputs, "new_instruction")); !prompt.IsTooLong(text) {
		w.text = prompt.Normalize(text)
	}
}
