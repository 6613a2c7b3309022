// Package prompt holds the types and the pure logic of prompts: programs of predictors with
// typed fields, how a predictor's messages are written and its answers read, and the files
// of optimized programs. All of it equals DSPy 3.4, byte for byte. It calls no model and
// knows no store or workflow.
package prompt

import (
	"strings"

	"github.com/cogniverse/cogflow/prompt/python"
)

// Object is an ordered record: an example, a demo, an answer.
type Object = python.Object

// Signature is a predictor's task: instructions and fields.
type Signature struct {
	Instructions string // as written, "" = DSPy's sentence; read it with Objective
	Inputs       []Field
	Outputs      []Field
}

// Objective is the instructions without the indentation of their source.
func (s Signature) Objective() string {
	if s.Instructions == "" {
		return defaultInstructions(s.Inputs, s.Outputs)
	}
	return python.CleanDoc(s.Instructions)
}

// Normalize returns instructions that do not change when DSPy reads, saves and loads them.
// Each reading removes indentation, and for some texts a second reading removes more than
// the first; the published text must equal the evaluated one.
func Normalize(instructions string) string {
	for {
		clean := python.CleanDoc(instructions)
		if clean == instructions {
			return clean
		}
		instructions = clean
	}
}

// IsTooLong reports whether a program file cannot have the instructions.
func IsTooLong(instructions string) bool {
	return len(instructions) > MaxInstructionBytes || len(Normalize(instructions)) > MaxInstructionBytes
}

// Fields lists the inputs, then the outputs.
func (s Signature) Fields() []Field {
	return append(append(make([]Field, 0, len(s.Inputs)+len(s.Outputs)), s.Inputs...), s.Outputs...)
}

// defaultInstructions is DSPy's text when none is given.
func defaultInstructions(inputs, outputs []Field) string {
	return "Given the fields " + quoteNames(inputs) + ", produce the fields " + quoteNames(outputs) + "."
}

func quoteNames(fields []Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = "`" + f.Name + "`"
	}
	return strings.Join(names, ", ")
}
