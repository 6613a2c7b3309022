// Package prompt holds the nouns and the pure logic of prompts: programs of
// predictors with typed fields, how a predictor's messages are written and its
// answers read, and the files that hold what was learned. All of it is as in
// DSPy 3.3, byte for byte. It calls no model and knows no store or workflow.
package prompt

import (
	"strings"

	"github.com/cogniverse/cogflow/prompt/python"
)

// Object is a record whose order counts: an example, a demo, an answer.
type Object = python.Object

// Role of a message.
type Role string

// The roles.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one turn of what is sent to a model.
type Message struct {
	Role    Role   `json:"role"`
	Content string `json:"content"`
}

// Signature is what a predictor is told to do: instructions and fields.
type Signature struct {
	Instructions string // as written, "" = DSPy's sentence; read it with Objective
	Inputs       []Field
	Outputs      []Field
}

// Objective is the instructions without the indentation of where they were
// written.
func (s Signature) Objective() string {
	if s.Instructions == "" {
		return defaultInstructions(s.Inputs, s.Outputs)
	}
	return python.CleanDoc(s.Instructions)
}

// Normalize returns instructions that stay as they are however often DSPy reads,
// saves and loads them. Each reading removes indentation, and of some texts a
// second reading removes more than the first; what is evaluated should be what
// is shipped.
func Normalize(instructions string) string {
	for {
		clean := python.CleanDoc(instructions)
		if clean == instructions {
			return clean
		}
		instructions = clean
	}
}

// Fields lists the inputs, then the outputs.
func (s Signature) Fields() []Field {
	return append(append(make([]Field, 0, len(s.Inputs)+len(s.Outputs)), s.Inputs...), s.Outputs...)
}

// defaultInstructions is what DSPy says when nobody else does.
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
