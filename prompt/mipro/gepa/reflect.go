package gepa

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// The texts of DSPy's proposer.
const (
	propose = `I provided an assistant with instructions to perform a task for me. You are given those instructions, along with examples of different task inputs provided to the assistant, the assistant's response for each of them, and some feedback on how the assistant's response could be better.

Your task is to write a new instruction for the assistant.

Read the inputs carefully and identify the input format and infer detailed task description about the task I wish to solve with the assistant.

Read all the assistant responses and the corresponding feedback. Identify all niche and domain specific factual information about the task and include it in the instruction, as a lot of it may not be available to the assistant in the future. The assistant may have utilized a generalizable strategy to solve the task, if so, include that in the instruction as well.`
	currentText  = "The instructions I provided to the assistant."
	examplesText = "Task inputs provided to the assistant, the assistant's response for each, and feedback on how the response could be better."
	newText      = "The new instruction for the assistant."
)

// The names of the proposer's fields.
const (
	currentField  = "current_instruction"
	examplesField = "examples_with_feedback"
	newField      = "new_instruction"
)

func proposer() *prompt.Program {
	examples := prompt.Type{Kind: prompt.List, Items: &prompt.Type{Kind: prompt.Dict}}
	return &prompt.Program{Name: newField, Predictors: []*prompt.Predictor{{
		Name: "propose", Module: prompt.Predict, Instructions: propose,
		Inputs: []prompt.Field{
			{Name: currentField, Desc: currentText},
			{Name: examplesField, Type: examples, Desc: examplesText},
		},
		Outputs: []prompt.Field{{Name: newField, Desc: newText}},
	}}}
}

// writer requests a new instruction of one predictor.
type writer struct {
	predictor   int
	run         *prompt.Execution
	temperature float64
	rollout     int64
	text        string
}

// reflect requests new instructions of the selected predictors.
func (s *Search) reflect() {
	c := s.now
	c.phase, c.board = rewriting, mipro.Pending{}
	parent := s.candidates[c.Parents[0]]
	selected := []int{parent.next}
	if s.plan.settings.ComponentSelector == All {
		selected = nil
		for i := range parent.Texts {
			selected = append(selected, i)
		}
	}
	for _, predictor := range selected {
		examples := s.examples(predictor)
		if len(examples) == 0 {
			continue
		}
		w := &writer{
			predictor: predictor, temperature: s.plan.Base.Job.Settings.Temperature(),
			rollout: int64(len(s.done)), // the same request in a later iteration gets another answer
			run: proposer().Start(python.NewObject(currentField, parent.Texts[predictor], examplesField, examples),
				s.plan.Base.Job.Proposer),
		}
		c.writers = append(c.writers, w)
		c.board.Add(fmt.Sprintf("%sreflect/%d", place(len(s.done)), predictor), w)
	}
}

const shortFeedback = 300 // characters of a feedback that are kept

// examples shows the runs of a predictor on the rows, with feedback.
func (s *Search) examples(predictor int) []any {
	c := s.now
	var shown []any
	for _, row := range c.Rows {
		inputs, outputs, feedback := s.explain(c.runs[row], predictor)
		if feedback == "" {
			continue
		}
		shown = append(shown, python.NewObject("Inputs", inputs, "Generated Outputs", outputs, "Feedback", feedback))
		if runes := []rune(feedback); len(runes) > shortFeedback {
			feedback = string(runes[:shortFeedback]) + " …"
		}
		c.Feedback = append(c.Feedback, feedback)
	}
	return shown
}

// explain returns the inputs and outputs of a predictor in a run, with feedback; feedback "" =
// the run is not shown.
func (s *Search) explain(r *mipro.Run, predictor int) (inputs *prompt.Object, outputs any, feedback string) {
	p := s.plan.Base.Job.Program.Predictors[predictor]
	if r.Failed() {
		at, answer := r.Unread()
		if answer == "" || at != predictor || !s.plan.settings.AddFormatFailureAsFeedback {
			return nil, nil, ""
		}
		return image.DescribeAll(r.Asked()), "Couldn't parse the output as per the expected output format. The model's raw response was:\n```\n" + answer + "\n```\n\n",
			"Your output failed to parse. Follow this structure:\n" + structure(p.Signature())
	}
	for _, step := range r.Trace() {
		if step.Predictor != predictor {
			continue
		}
		if feedback = r.Feedback(p.Name); feedback == "" {
			feedback = "This trajectory got a score of " + python.Repr(r.Score()) + "."
		}
		return image.DescribeAll(step.Inputs), step.Outputs, feedback // DSPy writes the data of an image as text
	}
	return nil, nil, ""
}

// structure describes the form of an answer, in the words of a predictor's messages.
func structure(s prompt.Signature) string {
	messages, err := prompt.Render(prompt.Chat, s, nil, &prompt.Object{})
	if err != nil { // only inputs can fail to render, and there are none
		return ""
	}
	var text strings.Builder
	for _, m := range messages {
		text.WriteString(string(m.Role) + ": " + m.Content + "\n")
	}
	return text.String()
}

// Call is the next request.
func (w *writer) Call() *mipro.Call {
	if w.run.Next() == nil {
		return nil
	}
	return &mipro.Call{Role: mipro.Proposer, Request: w.run.Next(), Temperature: &w.temperature, Rollout: w.rollout}
}

// Take takes the answer. An unreadable answer, or one that is too long for a program file, leaves
// the instruction unchanged.
func (w *writer) Take(answer mipro.Answer) {
	w.run.TakeSaid(answer.Said())
	if w.run.Next() != nil {
		return
	}
	outputs, err := w.run.Result()
	if err != nil {
		return
	}
	v, _ := outputs.Get(newField)
	if text := python.Strip(python.Str(v)); !prompt.IsTooLong(text) {
		w.text = prompt.Normalize(text)
	}
}
