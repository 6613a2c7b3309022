package prompt

import (
	"errors"
	"fmt"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Versions that DSPy's load compares with its own; a difference only causes a warning.
const (
	DSPyVersion        = "3.4.1"
	pythonVersion      = "3.11"
	cloudpickleVersion = "3.1"
)

const (
	loadState      = "load DSPy state"
	metadataKey    = "metadata"
	signatureKey   = "signature"
	maxSavedDemos  = 10_000
	maxStateBytes  = 64 << 20
	savedFieldKeys = "prefix and description"
)

// State is the result of DSPy's dump_state(), and the input of load_state(): instructions, field
// texts and demos of every predictor.
func (p *Program) State() *Object {
	state := &Object{}
	for _, predictor := range p.Predictors {
		saved := predictor.state()
		if predictor.Key() == "" { // the program is this predictor
			return saved
		}
		state.Set(predictor.Key(), saved)
	}
	return state
}

func (p *Predictor) state() *Object {
	demos := make([]any, len(p.Demos))
	for i, demo := range p.Demos {
		demos[i] = demo
	}
	s := p.Signature()
	fields := []any{}
	for _, f := range s.Fields() {
		fields = append(fields, python.NewObject("prefix", f.Label(), "description", f.savedDescription()))
	}
	return python.NewObject("traces", []any{}, "train", []any{}, "demos", demos,
		signatureKey, python.NewObject("instructions", s.Objective(), "fields", fields), "lm", nil)
}

// File is the program.json that DSPy's save writes and load reads.
func (p *Program) File() []byte {
	state := p.State()
	state.Set(metadataKey, python.NewObject("dependency_versions", python.NewObject(
		"python", pythonVersion, "dspy", DSPyVersion, "cloudpickle", cloudpickleVersion)))
	return []byte(python.DumpsIndent(state, 2) + "\n")
}

// Load returns the program with the state of a file of DSPy's save or dump_state. Fields
// are matched by position, as in DSPy. A language model in the file is ignored: cogflow takes
// models from its configuration.
func (p *Program) Load(text []byte) (*Program, error) {
	if len(text) > maxStateBytes {
		return nil, fault.New(fault.Input, loadState, p.Name, fmt.Sprintf("it has over %d bytes", maxStateBytes))
	}
	state := &Object{}
	if err := state.UnmarshalJSON(text); err != nil {
		return nil, fault.Wrap(fault.Input, loadState, p.Name, err)
	}
	loaded := p.Copy()
	for _, predictor := range loaded.Predictors {
		saved := state
		if key := predictor.Key(); key != "" {
			v, ok := state.Get(key)
			if saved, _ = v.(*Object); !ok || saved == nil {
				return nil, fault.New(fault.Input, loadState, p.Name, fmt.Sprintf("it has no predictor %q", key))
			}
		}
		if err := predictor.load(saved); err != nil {
			return nil, fault.Wrap(fault.Input, loadState, p.Name, fmt.Errorf("predictor %q: %w", predictor.Name, err))
		}
	}
	return loaded, nil
}

func (p *Predictor) load(saved *Object) error {
	if _, ok := saved.Get("extended_signature"); ok {
		return errors.New("it is from DSPy 2.5 or older, which is not supported")
	}
	v, _ := saved.Get(signatureKey)
	signature, ok := v.(*Object)
	if !ok {
		return errors.New("it has no signature")
	}
	v, _ = signature.Get("instructions")
	instructions, ok := v.(string)
	if !ok {
		return errors.New("its signature has no instructions")
	}
	if len(instructions) > MaxInstructionBytes {
		return fmt.Errorf("its instructions have %d bytes; at most %d are taken", len(instructions), MaxInstructionBytes)
	}
	v, _ = signature.Get("fields")
	fields, ok := v.([]any)
	if !ok {
		return errors.New("its signature has no fields")
	}
	s := p.Signature()
	inputs, outputs := append([]Field(nil), s.Inputs...), append([]Field(nil), s.Outputs...)
	if len(fields) != len(inputs)+len(outputs) {
		return fmt.Errorf("it was saved with %d fields and has %d", len(fields), len(inputs)+len(outputs))
	}
	for i, v := range fields {
		f := at(inputs, outputs, i)
		if err := f.load(v); err != nil {
			return fmt.Errorf("field %d (%s): %w", i+1, f.Name, err)
		}
	}
	demos, err := savedDemos(saved)
	if err != nil {
		return err
	}
	p.Instructions, p.Inputs, p.Outputs, p.Demos = instructions, inputs, outputs, demos
	return nil
}

func at(inputs, outputs []Field, i int) *Field {
	if i < len(inputs) {
		return &inputs[i]
	}
	return &outputs[i-len(inputs)]
}

func (f *Field) load(v any) error {
	saved, _ := v.(*Object)
	prefix, _ := saved.Get("prefix")
	description, _ := saved.Get("description")
	label, ok1 := prefix.(string)
	desc, ok2 := description.(string)
	if !ok1 || !ok2 {
		return errors.New("it has no " + savedFieldKeys)
	}
	f.Prefix, f.Desc = label, desc
	if label == inferLabel(f.Name)+":" {
		f.Prefix = ""
	}
	if desc == "${"+f.Name+"}" {
		f.Desc = ""
	}
	return nil
}

func savedDemos(saved *Object) ([]*Object, error) {
	v, _ := saved.Get("demos")
	list, ok := v.([]any)
	if !ok && v != nil || len(list) > maxSavedDemos {
		return nil, fmt.Errorf("demos must be a list of at most %d", maxSavedDemos)
	}
	demos := make([]*Object, len(list))
	for i, item := range list {
		if demos[i], ok = item.(*Object); !ok {
			return nil, fmt.Errorf("demo %d must be an object", i+1)
		}
	}
	return demos, nil
}
