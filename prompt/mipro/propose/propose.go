// Package propose writes instructions: as DSPy does, from a summary of the data, the
// program, demos and a tip, and also from failures of a program. It does not evaluate
// them, and does not know trials or models.
package propose

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Propose makes the instructions: it requests a summary of the training examples, then
// writes each instruction independently from that summary, the program, demos and a tip.
type Propose struct {
	plan    *mipro.Plan
	sets    [][][]*prompt.Object
	pending mipro.Pending
	summary *summary    // nil = no summary
	writers [][]*writer // by predictor; nil = not started
}

const summaryName = "summary"

// New starts the second stage with the demo sets of the first.
func New(plan *mipro.Plan, sets [][][]*prompt.Object) *Propose {
	p := &Propose{plan: plan, sets: sets}
	if plan.Job.Settings.DataAware() {
		p.summary = newSummary(plan)
		p.pending.Add(summaryName, p.summary)
	}
	p.advance()
	return p
}

// Calls lists the pending calls; none = the stage is over.
func (p *Propose) Calls() []mipro.Call { return p.pending.Calls() }

// Take passes an answer to the stage.
func (p *Propose) Take(id string, answer mipro.Answer) error {
	if err := p.pending.Take(id, answer); err != nil {
		return err
	}
	p.advance()
	return nil
}

// advance starts the writers when the summary is complete. The first instruction of each
// predictor is not written: DSPy writes it and discards it.
func (p *Propose) advance() {
	if p.summary != nil && !p.summary.done() {
		return
	}
	if p.writers == nil {
		p.begin()
	}
	for _, writers := range p.writers {
		for _, w := range writers[min(1, len(writers)):] {
			w.follow(writers[0])
		}
	}
}

// begin starts the writers.
func (p *Propose) begin() {
	p.writers = [][]*writer{}
	for predictor, proposals := range p.plan.Proposals {
		p.writers = append(p.writers, nil)
		for i := 1; i < len(proposals); i++ {
			w := p.newWriter(predictor, i)
			p.writers[predictor] = append(p.writers[predictor], w)
			p.pending.Add(fmt.Sprintf("instruction/%d/%d", predictor, i), w)
		}
	}
}

// Instructions returns the instructions by predictor, the original first, when the
// stage is over.
func (p *Propose) Instructions() [][]string {
	all := make([][]string, len(p.writers))
	for predictor, writers := range p.writers {
		all[predictor] = []string{p.plan.Job.Program.Predictors[predictor].Signature().Objective()}
		for _, w := range writers {
			all[predictor] = append(all[predictor], w.instruction)
		}
	}
	return all
}

// writer writes one instruction: it requests a description of the program, then of the
// predictor, then the instruction.
type writer struct {
	p         *Propose
	predictor int
	proposal  mipro.Proposal
	demos     any // text, with the images of the demos
	step      writing
	run       *prompt.Execution

	program, module, role string // descriptions
	instruction           string
}

type writing int

const (
	describingProgram writing = iota
	describingModule
	writingInstruction
	written
)

func (p *Propose) newWriter(predictor, i int) *writer {
	w := &writer{
		p: p, predictor: predictor, proposal: p.plan.Proposals[predictor][i], demos: p.demos(predictor, i),
		program: "Not available", module: "Not provided", role: "Not provided",
	}
	if i > 1 && p.plan.Job.Instructions > 0 {
		return w // it follows the first
	}
	if p.plan.Job.Settings.ProgramAware() {
		w.run = ask(describeProgram, []prompt.Field{field("program_code", codeText), field("program_example", exampleText)},
			"program_description", "Describe what task the program is designed to solve, and how it goes about solving this task.",
		).Start(python.NewObject("program_code", p.source(), "program_example", w.demos), p.plan.Job.Proposer)
	} else {
		w.write()
	}
	return w
}

// follow starts a writer with the descriptions of another one, when that has them.
func (w *writer) follow(first *writer) {
	if w.run == nil && w.step < writingInstruction && first.step >= writingInstruction {
		w.program, w.module, w.role = first.program, first.module, first.role
		w.write()
	}
}

func (p *Propose) source() string { return p.plan.Job.Program.Source() }

// demos formats up to three bootstrapped demos of the predictor, those of its own set
// first.
func (p *Propose) demos(predictor, own int) any {
	const none = "No task demos provided."
	if !p.plan.Job.Settings.FewshotAware() {
		return none
	}
	fields := p.plan.Job.Program.Predictors[predictor].Signature().Fields()
	var shown prompt.Mixed
	count, sets := 0, p.sets[predictor]
	for k := range sets {
		for _, demo := range sets[(own+k)%len(sets)] {
			if _, ok := demo.Get("augmented"); !ok || count == mipro.ProposerDemos {
				continue
			}
			count++
			for i, f := range fields {
				if i > 0 {
					shown.Add("\n")
				}
				shown.Add(f.Label() + " ")
				shown.AddValue(p.shown(predictor, &f, demo))
			}
			shown.Add("\n\n")
		}
	}
	if count == 0 {
		return none
	}
	if text, ok := shown.Plain(); ok {
		return text
	}
	return shown
}

// shown is the value of a demo as DSPy prints it: an image is shown, those in a list are not.
func (p *Propose) shown(predictor int, f *prompt.Field, demo *prompt.Object) any {
	v, _ := demo.Get(f.Name)
	if text, ok := v.(string); ok && !f.HoldsImages() && p.plan.Job.Program.Given(predictor, f.Name) && !f.IsDefault(v) {
		return text // of a row, not a member of an enum
	}
	if f.HoldsImages() && v != nil { // a stored demo has the texts of its images
		if made, err := f.Coerce(v); err == nil {
			v = made
		}
	}
	if _, ok := v.(image.Image); ok {
		return v
	}
	return f.Show(v)
}

func (w *writer) Call() *mipro.Call {
	if w.run == nil || w.run.Next() == nil {
		return nil
	}
	temperature := w.p.plan.Job.Settings.Temperature()
	return &mipro.Call{Role: mipro.Proposer, Request: w.run.Next(), Temperature: &temperature, Rollout: w.proposal.Rollout}
}

func (w *writer) Take(answer mipro.Answer) {
	w.run.TakeSaid(answer.Said())
	if w.run.Next() != nil {
		return
	}
	outputs, err := w.run.Result()
	switch {
	case w.step == writingInstruction:
		w.finish(outputs, err)
	case err != nil: // missing descriptions are omitted
		w.write()
	case w.step == describingProgram:
		w.program = stripPrefix(textOf(outputs, "program_description"))
		w.describe()
	default:
		w.role = textOf(outputs, "module_description")
		w.write()
	}
}

func (w *writer) describe() {
	w.step = describingModule
	signature := w.p.plan.Job.Program.Predictors[w.predictor].Signature()
	w.module = "Predict(" + names(signature.Inputs) + ") -> " + names(signature.Outputs)
	w.run = ask(describeModule, []prompt.Field{
		field("program_code", codeText), field("program_example", exampleText),
		field("program_description", "Summary of the task the program is designed to solve, and how it goes about solving it."),
		field("module", "The module in the program that we want to describe."),
	}, "module_description", "Description of the module's role in the broader program.",
	).Start(python.NewObject("program_code", w.p.source(), "program_description", w.program,
		"program_example", w.demos, "module", w.module), w.p.plan.Job.Proposer)
}

func names(fields []prompt.Field) string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.Name
	}
	return strings.Join(all, ", ")
}

// write requests the instruction.
func (w *writer) write() {
	w.step = writingInstruction
	var inputs []prompt.Field
	values := &prompt.Object{}
	give := func(name, desc string, value any) {
		inputs = append(inputs, field(name, desc))
		values.Set(name, value)
	}
	if s := w.p.summary; s != nil && !s.failed {
		give("dataset_description", "A description of the dataset that we are using.", s.text)
	}
	if w.p.plan.Job.Settings.ProgramAware() {
		give("program_code", "Language model program designed to solve a particular task.", w.p.source())
		give("program_description", "Summary of the task the program is designed to solve, and how it goes about solving it.", w.program)
		give("module", "The module to create an instruction for.", w.module)
		give("module_description", "Description of the module to create an instruction for.", w.role)
	}
	give("task_demos", "Example inputs/outputs of our module.", w.demos)
	give("basic_instruction", "Basic instruction.", w.basic())
	if w.proposal.Tip != "" {
		give("tip", "A suggestion for how to go about generating the new instruction.", w.proposal.Tip)
	}
	w.run = ask(generate, inputs, "proposed_instruction",
		"Propose an instruction that will be used to prompt a Language Model to perform this task.",
	).Start(values, w.p.plan.Job.Proposer)
}

func (w *writer) basic() string {
	return w.p.plan.Job.Program.Predictors[w.predictor].Signature().Objective()
}

// finish keeps the instruction. If the answer cannot be parsed, or is too long for a program
// file, the original instruction is kept; DSPy stops with an error.
func (w *writer) finish(outputs *prompt.Object, err error) {
	w.step, w.instruction = written, w.basic()
	if err != nil {
		return
	}
	if text := stripPrefix(stripPrefix(textOf(outputs, "proposed_instruction"))); !prompt.IsTooLong(text) {
		w.instruction = text
	}
}
