package prompt

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/prompt/annotation"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Adapter is the form of a prompt and its answer.
type Adapter string

// The adapters. JSON is the fallback after a failed chat answer.
const (
	Chat Adapter = "chat" // sections under [[ ## name ## ]] headers
	JSON Adapter = "json" // one JSON object
)

const (
	incompleteDemo = "This is an example of the task, though some input or output fields are not supplied."
	notSupplied    = "Not supplied for this particular example. "
	structure      = "All interactions will be structured in the following way, with the appropriate values filled in."
)

// Render writes the messages of one call. It fails if a value cannot be shown: a list in a str
// field must hold strings only.
func Render(a Adapter, s Signature, demos []*Object, inputs *Object) ([]Message, error) {
	messages := []Message{{Role: System, Content: systemMessage(a, s)}}
	var complete, partial []*Object
	for _, demo := range demos {
		switch hasInput, hasOutput := hasAny(demo, s.Inputs), hasAny(demo, s.Outputs); {
		case isComplete(demo, s.Fields()):
			complete = append(complete, demo)
		case hasInput && hasOutput:
			partial = append(partial, demo)
		}
	}
	for i, demo := range append(partial, complete...) {
		prefix := ""
		if i < len(partial) {
			prefix = incompleteDemo
		}
		user, err := userMessage(s, demo, prefix, "")
		if err != nil {
			return nil, err
		}
		assistant, err := assistantMessage(a, s, demo)
		if err != nil {
			return nil, err
		}
		messages = append(messages, user, Message{Role: Assistant, Content: assistant})
	}
	request, err := userMessage(s, inputs, "", reminder(a, s))
	if err != nil {
		return nil, err
	}
	return append(messages, request), nil
}

func hasAny(o *Object, fields []Field) bool {
	for _, f := range fields {
		if _, ok := o.Get(f.Name); ok {
			return true
		}
	}
	return false
}

// isComplete says whether a demo has every field, and none is null.
func isComplete(demo *Object, fields []Field) bool {
	for _, f := range fields {
		if v, _ := demo.Get(f.Name); v == nil {
			return false
		}
	}
	return true
}

func systemMessage(a Adapter, s Signature) string {
	parts := []string{structure}
	if a == JSON {
		outputs := &Object{}
		for _, f := range s.Outputs {
			outputs.Set(f.Name, placeholder(&f, true))
		}
		parts = append(parts, "Inputs will have the following structure:", placeholders(s.Inputs, false),
			"Outputs will be a JSON object with the following fields.", python.DumpsIndent(outputs, 2))
	} else {
		parts = append(parts, placeholders(s.Inputs, false), placeholders(s.Outputs, true), "[[ ## completed ## ]]\n")
	}
	lines := python.SplitLines(python.Dedent(s.Objective()))
	objective := strings.Join(append([]string{""}, lines...), "\n        ")
	return "Your input fields are:\n" + describe(s.Inputs) +
		"\nYour output fields are:\n" + describe(s.Outputs) +
		"\n" + python.Strip(strings.Join(parts, "\n\n")) +
		"\nIn adhering to this structure, your objective is: " + objective
}

func describe(fields []Field) string {
	lines := make([]string, len(fields))
	for i, f := range fields {
		lines[i] = fmt.Sprintf("%d. `%s` (%s): %s", i+1, f.Name, f.Annotation(), f.description())
	}
	return python.Strip(strings.Join(lines, "\n"))
}

func placeholders(fields []Field, output bool) string {
	sections := make([]string, len(fields))
	for i, f := range fields {
		sections[i] = section(f.Name, placeholder(&f, output))
	}
	return python.Strip(strings.Join(sections, "\n\n"))
}

func section(name, text string) string { return "[[ ## " + name + " ## ]]\n" + text }

// placeholder stands for a value; that of an output also lists the valid values.
func placeholder(f *Field, output bool) string {
	note := ""
	switch kind := f.Base(); {
	case !output || kind == annotation.Str:
	case kind == annotation.Bool:
		note = "must be True or False"
	case kind == annotation.Int || kind == annotation.Float:
		note = "must be a single " + string(kind) + " value"
	case kind == annotation.Literal || kind == annotation.Enum:
		options := make([]string, len(f.Options))
		for i, o := range f.Options {
			options[i] = python.Str(o)
		}
		note = "must exactly match (no extra characters) one of: " + strings.Join(options, "; ")
		if kind == annotation.Enum {
			note = "must be one of: " + strings.Join(options, "; ")
		}
	default:
		note = "must adhere to the JSON schema: " + f.SchemaText()
	}
	if note != "" {
		note = "        # note: the value you produce " + note
	}
	return "{" + f.Name + "}" + note
}

func userMessage(s Signature, values *Object, prefix, reminder string) (Message, error) {
	text := Mixed{{Text: prefix}}
	for _, f := range s.Inputs {
		if v, ok := values.Get(f.Name); ok {
			value, err := mixedValue(&f, v)
			if err != nil {
				return Message{}, err
			}
			text.Add("\n\n" + section(f.Name, ""))
			text.AddAll(value)
		}
	}
	if reminder != "" {
		text.Add("\n\n" + reminder)
	}
	return text.message(User), nil
}

// mixedValue shows the value of an input, which may have images.
func mixedValue(f *Field, v any) (Mixed, error) {
	var value Mixed
	if f.HoldsImages() && v != nil {
		made, err := f.Coerce(v)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		v = made
	}
	if _, mixed := v.(Mixed); mixed || image.Holds(v) {
		value.AddValue(v)
		return value, nil
	}
	text, err := formatValue(f, v)
	value.Add(text)
	return value, err
}

// reminder ends the request with the outputs, their order and their form.
func reminder(a Adapter, s Signature) string {
	names := make([]string, len(s.Outputs))
	for i, f := range s.Outputs {
		names[i] = "`[[ ## " + f.Name + " ## ]]`"
		if a == JSON {
			names[i] = "`" + f.Name + "`"
		}
		if f.Base() != annotation.Str {
			names[i] += " (must be formatted as a valid Python " + f.Annotation() + ")"
		}
	}
	list := strings.Join(names, ", then ")
	if a == JSON {
		return "Respond with a JSON object in the following order of fields: " + list + "."
	}
	return "Respond with the corresponding output fields, starting with the field " + list +
		", and then ending with the marker for `[[ ## completed ## ]]`."
}

// assistantMessage writes a demo's outputs as a model's answer.
func assistantMessage(a Adapter, s Signature, demo *Object) (string, error) {
	if a == JSON {
		answer := &Object{}
		for _, f := range s.Outputs {
			v, ok := demo.Get(f.Name)
			if !ok {
				v = notSupplied
			}
			answer.Set(f.Name, v)
		}
		return python.DumpsIndent(answer, 2), nil
	}
	sections := make([]string, len(s.Outputs))
	for i, f := range s.Outputs {
		v, ok := demo.Get(f.Name)
		if !ok {
			v = notSupplied
		}
		text, err := formatValue(&f, v)
		if err != nil {
			return "", err
		}
		sections[i] = section(f.Name, text)
	}
	return python.Strip(strings.Join(sections, "\n\n")) + "\n\n[[ ## completed ## ]]\n", nil
}

// formatValue shows a value: lists and dicts as JSON, a list in a text field as
// numbered quotations, anything else as Python prints it.
func formatValue(f *Field, v any) (string, error) {
	switch x := v.(type) {
	case []any:
		if f.Base() != annotation.Str {
			return python.Dumps(x), nil
		}
		return quotations(f.Name, x)
	case *Object:
		return python.Dumps(x), nil
	}
	return python.Str(v), nil
}

func quotations(name string, list []any) (string, error) {
	if len(list) == 0 {
		return "N/A", nil
	}
	lines := make([]string, len(list))
	for i, item := range list {
		text, ok := item.(string)
		if !ok {
			return "", fmt.Errorf("field %q is text and was given a list with %s in it", name, python.Repr(item))
		}
		if strings.ContainsAny(text, "\n«»") {
			text = "«««\n    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n»»»"
		} else {
			text = "«" + text + "»"
		}
		if len(list) > 1 {
			text = fmt.Sprintf("[%d] %s", i+1, text)
		}
		lines[i] = text
	}
	return strings.Join(lines, "\n"), nil
}
