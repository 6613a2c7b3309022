package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/cogniverse/cogflow/prompt/annotation"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/prompt/repair"
)

// ParseError says why an answer has no outputs. It is a failure of the model, and scores zero; the
// request is not retried.
type ParseError struct {
	Adapter Adapter
	Field   string // "" = the answer as a whole
	Reason  string
}

// Error says which field of which answer failed, and why.
func (e *ParseError) Error() string {
	text := "read " + string(e.Adapter) + " answer"
	if e.Field != "" {
		text += fmt.Sprintf(", field %q", e.Field)
	}
	return text + ": " + e.Reason
}

var sectionHeader = regexp.MustCompile(`^\[\[ ## ([\p{L}\p{N}_]+) ## \]\]`)

// Parse reads the outputs of an answer. Its error is a *ParseError.
func Parse(a Adapter, s Signature, answer string) (*Object, error) {
	if answer == "" {
		return nil, &ParseError{a, "", "the answer is empty"}
	}
	if a == JSON {
		return parseJSON(s, answer)
	}
	return parseChat(s, answer)
}

// isWhole reports whether a truncated text has all of an answer: the end mark of the chat
// form, or a complete JSON object.
func isWhole(a Adapter, text string) bool {
	if a == JSON {
		_, rest, found := strings.Cut(text, "{")
		var object json.RawMessage
		return found && json.NewDecoder(strings.NewReader("{"+rest)).Decode(&object) == nil
	}
	for _, line := range python.SplitLines(text) {
		if match := sectionHeader.FindStringSubmatch(python.Strip(line)); match != nil && match[1] == completed {
			return true
		}
	}
	return false
}

const completed = "completed" // the section that ends an answer in the chat form

func parseChat(s Signature, answer string) (*Object, error) {
	found := &Object{}
	name, open := "", false
	var lines []string
	keep := func() error {
		if _, twice := found.Get(name); !open || twice {
			return nil
		}
		f := outputNamed(s, name)
		if f == nil {
			return nil
		}
		value, err := parseText(&f.Type, python.Strip(strings.Join(lines, "\n")))
		if err != nil {
			return &ParseError{Chat, name, err.Error()}
		}
		found.Set(name, value)
		return nil
	}
	for _, line := range python.SplitLines(answer) {
		stripped := python.Strip(line)
		match := sectionHeader.FindStringSubmatchIndex(stripped)
		if match == nil {
			lines = append(lines, line)
			continue
		}
		if err := keep(); err != nil {
			return nil, err
		}
		name, open, lines = stripped[match[2]:match[3]], true, nil
		// The rest of the line is cut from the whole line at the offset where the header ends in
		// the stripped line, as in DSPy.
		if rest := python.Strip(afterBytes(line, stripped[:match[1]])); rest != "" {
			lines = append(lines, rest)
		}
	}
	if err := keep(); err != nil {
		return nil, err
	}
	return inOrder(Chat, s, found)
}

// afterBytes removes from the beginning of line as many characters as header has.
func afterBytes(line, header string) string {
	runes := []rune(line)
	return string(runes[min(len([]rune(header)), len(runes)):])
}

func outputNamed(s Signature, name string) *Field {
	for i := range s.Outputs {
		if s.Outputs[i].Name == name {
			return &s.Outputs[i]
		}
	}
	return nil
}

// inOrder checks that every output is present, or has a value without it.
func inOrder(a Adapter, s Signature, found *Object) (*Object, error) {
	outputs := &Object{}
	for i := range s.Outputs {
		f := &s.Outputs[i]
		v, ok := found.Get(f.Name)
		if !ok {
			if v, ok = f.missing(); !ok {
				return nil, &ParseError{a, f.Name, "the answer lacks it"}
			}
		}
		outputs.Set(f.Name, v)
	}
	return outputs, nil
}

// parseText converts text to the type.
func parseText(t *Type, text string) (any, error) {
	switch t.Base() {
	case annotation.Str:
		return text, nil
	case annotation.Literal:
		return parseOption(t, text)
	case annotation.Enum:
		return t.FindMember(text)
	default:
	}
	if t.TakesTextAsIs() {
		return t.Coerce(text)
	}
	return parseData(t, text)
}

// parseData converts text that holds JSON, possibly damaged, or a Python literal.
func parseData(t *Type, text string) (any, error) {
	candidate, err := repair.Loads(text)
	if err != nil {
		return nil, err
	}
	if candidate == any("") && text != "" {
		if candidate, err = python.Literal(text); err != nil {
			candidate = text
		}
		if bytes, ok := python.BytesLiteral(text); ok {
			candidate = bytes
		}
		if python.Strip(text) == "..." {
			return nil, errors.New("an ellipsis is not a value")
		}
	}
	return t.Coerce(candidate)
}

// parseOption reads a literal, which may be quoted or written Literal[x]. An integer or a
// boolean may be text.
func parseOption(t *Type, v any) (any, error) {
	if t.Offers(v) {
		return v, nil
	}
	if text, ok := v.(string); ok {
		text = python.Strip(text)
		if (strings.HasPrefix(text, "Literal[") || strings.HasPrefix(text, "str[")) && strings.HasSuffix(text, "]") {
			text = text[strings.Index(text, "[")+1 : len(text)-1]
		}
		if n := len(text); n > 1 && text[0] == text[n-1] && (text[0] == '"' || text[0] == '\'') {
			text = text[1 : n-1]
		}
		if t.Offers(text) {
			return text, nil
		}
		return parseData(t, text)
	}
	return t.Coerce(v)
}

func parseJSON(s Signature, answer string) (*Object, error) {
	v, err := repair.Loads(answer)
	if err != nil {
		return nil, &ParseError{JSON, "", err.Error()}
	}
	object, ok := v.(*Object)
	if !ok {
		if text, found := firstObject(answer); found {
			if v, err = repair.Loads(text); err == nil {
				object, ok = v.(*Object)
			}
		}
	}
	if !ok {
		return nil, &ParseError{JSON, "", "there is no JSON object in it"}
	}
	found := &Object{}
	for _, k := range object.Keys() {
		f := outputNamed(s, k)
		if f == nil {
			continue
		}
		member, _ := object.Get(k)
		value, err := parseMember(&f.Type, member)
		if err != nil {
			return nil, &ParseError{JSON, k, err.Error()}
		}
		found.Set(k, value)
	}
	return inOrder(JSON, s, found)
}

func parseMember(t *Type, v any) (any, error) {
	switch t.Base() {
	case annotation.Str:
		return python.Str(v), nil
	case annotation.Literal:
		return parseOption(t, v)
	case annotation.Enum:
		return t.FindMember(v)
	default:
	}
	if text, ok := v.(string); ok {
		return parseText(t, text)
	}
	return t.Coerce(v)
}

// firstObject finds the leftmost balanced pair of braces and the text between them.
func firstObject(text string) (string, bool) {
	var open []int
	start, end := len(text), 0
	for i := range len(text) {
		switch {
		case text[i] == '{':
			open = append(open, i)
		case text[i] == '}' && len(open) > 0:
			if first := open[len(open)-1]; first < start {
				start, end = first, i+1
			}
			open = open[:len(open)-1]
		}
	}
	if end == 0 {
		return "", false
	}
	return text[start:end], true
}
