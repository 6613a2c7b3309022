package saved

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
)

// defaultInstructions matches DSPy's sentence for a signature without instructions.
var defaultInstructions = regexp.MustCompile("^Given the fields ((?:`\\w+`(?:, )?)+), produce the fields ((?:`\\w+`(?:, )?)+)\\.$")

const reasoning = "reasoning"

// Named makes a program from a file without a signature, if its texts contain the name of every
// field: in the default instructions, in a default description, or among the keys of the demos,
// by the label that DSPy derives from it. The file has no types: every field is text.
func Named(name string, text []byte) (*prompt.Program, error) {
	file, err := parse(text)
	if err != nil {
		return nil, fault.Wrap(fault.Input, readSaved, name, err)
	}
	found := states(file)
	if err := check(name, found); err != nil {
		return nil, err
	}
	signature := &prompt.Program{Name: name}
	for _, s := range found {
		p, err := s.named()
		if err != nil {
			return nil, bad(name, "predictor %s: %v; give a signature, the program file with the names and types of its fields", shown([]string{s.key}), err)
		}
		signature.Predictors = append(signature.Predictors, p)
	}
	loaded, err := signature.Load(text)
	if err != nil {
		return nil, err
	}
	return reread(loaded)
}

// named makes the predictor from a state.
func (s predictorState) named() (*prompt.Predictor, error) {
	p := &prompt.Predictor{Name: s.key, Module: prompt.Predict}
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	if before, ok := strings.CutSuffix("."+s.key, ".predict"); ok && slices.Contains(names, reasoning) {
		p.Name, p.Module = strings.TrimPrefix(before, "."), prompt.ChainOfThought
	}
	if p.Name == "" {
		p.Name = "self"
	}
	inputs, err := s.inputs(names, p.Module)
	if err != nil {
		return nil, err
	}
	if err := s.checkText(names); err != nil {
		return nil, err
	}
	for i, name := range names {
		f := prompt.Field{Name: name}
		if i < inputs {
			p.Inputs = append(p.Inputs, f)
		} else {
			p.Outputs = append(p.Outputs, f)
		}
	}
	if p.Module == prompt.ChainOfThought && len(p.Outputs) > 1 {
		p.Outputs = p.Outputs[1:] // the module adds reasoning itself
	}
	return p, nil
}

// names finds the name of every field.
func (s predictorState) names() ([]string, error) {
	known := s.demoKeys()
	if in, out := s.written(); len(in) > 0 {
		known = append(append(append(known, in...), reasoning), out...)
	}
	names := make([]string, len(s.fields))
	for i, field := range s.fields {
		prefix, desc := textOf(field, "prefix"), textOf(field, "description")
		if inner, ok := strings.CutPrefix(desc, "${"); ok && strings.HasSuffix(inner, "}") {
			names[i] = strings.TrimSuffix(inner, "}")
			continue
		}
		fitting := map[string]bool{}
		for _, name := range known {
			if (&prompt.Field{Name: name}).Label() == prefix {
				fitting[name] = true
			}
		}
		if len(fitting) != 1 {
			return nil, fmt.Errorf("the file does not say the name of field %d (%q)", i+1, prefix)
		}
		for name := range fitting {
			names[i] = name
		}
	}
	return names, nil
}

// inputs is the number of inputs.
func (s predictorState) inputs(names []string, module prompt.Module) (int, error) {
	if in, out := s.written(); len(in) > 0 {
		if module == prompt.ChainOfThought && !slices.Contains(out, reasoning) {
			out = append([]string{reasoning}, out...)
		}
		if slices.Equal(append(slices.Clone(in), out...), names) {
			return len(in), nil
		}
	}
	if module == prompt.ChainOfThought { // its reasoning is the first output
		return slices.Index(names, reasoning), nil
	}
	if len(names) == 2 {
		return 1, nil
	}
	return 0, fmt.Errorf("the file does not say which of its fields %s are outputs", strings.Join(names, ", "))
}

// written lists the names in default instructions.
func (s predictorState) written() (inputs, outputs []string) {
	m := defaultInstructions.FindStringSubmatch(s.saved)
	if m == nil {
		return nil, nil
	}
	split := func(list string) []string { return strings.Split(strings.ReplaceAll(list, "`", ""), ", ") }
	return split(m[1]), split(m[2])
}

// demoKeys lists the keys of all demos.
func (s predictorState) demoKeys() (keys []string) {
	for _, demo := range s.demos() {
		keys = append(keys, demo.Keys()...)
	}
	return keys
}

func (s predictorState) demos() (demos []*prompt.Object) {
	v, _ := s.state.Get("demos")
	list, _ := v.([]any)
	for _, item := range list {
		if demo, ok := item.(*prompt.Object); ok {
			demos = append(demos, demo)
		}
	}
	return demos
}

// checkText rejects a field whose demos have values other than text.
func (s predictorState) checkText(names []string) error {
	for _, demo := range s.demos() {
		for _, name := range names {
			if v, ok := demo.Get(name); ok && v != nil {
				text, isText := v.(string)
				if image.Marked(text) {
					return fmt.Errorf("the demos show that field %q is an image, and the file does not say so", name)
				}
				if !isText {
					return fmt.Errorf("the demos show that field %q is not text, and the file does not say its type", name)
				}
			}
		}
	}
	return nil
}

func textOf(o *prompt.Object, key string) string {
	if o == nil {
		return ""
	}
	v, _ := o.Get(key)
	text, _ := v.(string)
	return text
}
