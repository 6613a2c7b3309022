package prompt

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/annotation"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/strictjson"
)

// Limits of a program file: a prompt is paid for thousands of times before a person sees the
// result.
const (
	MaxProgramBytes      = 4 << 20 // without the images of demos
	MaxProgramImageBytes = 64 << 20
	MaxInstructionBytes  = 100_000
	MaxPredictors        = 64
	MaxFields            = 128 // of one predictor
	readProgram          = "read program"
	maxDescriptionBytes  = 20_000
)

// Read reads and checks a program file. An error names the predictor and field.
func Read(text []byte) (*Program, error) {
	if err := checkSize(text); err != nil {
		return nil, err
	}
	p := &Program{}
	if err := strictjson.Unmarshal(text, p); err != nil {
		return nil, fault.Wrap(fault.Input, readProgram, p.Name, err)
	}
	if err := p.check(); err != nil {
		return nil, fault.Wrap(fault.Input, readProgram, p.Name, err)
	}
	return p, nil
}

func checkSize(text []byte) error {
	images := 0
	if len(text) > MaxProgramBytes {
		images = image.EncodedBytes(text)
	}
	switch {
	case len(text)-images > MaxProgramBytes:
		return fault.New(fault.Input, readProgram, "", fmt.Sprintf("the file has %d bytes; at most %d are taken", len(text)-images, MaxProgramBytes))
	case images > MaxProgramImageBytes:
		return fault.New(fault.Input, readProgram, "", fmt.Sprintf(
			"the images in its demos have %d bytes; at most %d are taken; make them smaller, or leave out demos", images, MaxProgramImageBytes))
	}
	return nil
}

var predictorName = regexp.MustCompile(`^[A-Za-z_]\w*(\[\d+\]|\['[^'\]]+'\]|\.[A-Za-z_]\w*)*$`)

// check completes the program and checks it.
func (p *Program) check() error {
	switch {
	case p.Name == "":
		return errors.New("the program has no name")
	case len(p.Predictors) == 0:
		return errors.New("the program has no predictors")
	case len(p.Predictors) > MaxPredictors:
		return fmt.Errorf("the program has %d predictors; at most %d are taken", len(p.Predictors), MaxPredictors)
	}
	names := map[string]bool{}
	for i, predictor := range p.Predictors {
		if predictor == nil {
			return fmt.Errorf("predictor %d is null", i+1)
		}
		if names[predictor.Name] {
			return fmt.Errorf("two predictors are named %q", predictor.Name)
		}
		names[predictor.Name] = true
		if predictor.Name == "self" && len(p.Predictors) > 1 {
			return errors.New(`the name "self" is for a program of one predictor`)
		}
		if err := predictor.check(); err != nil {
			return fmt.Errorf("predictor %q: %w", predictor.Name, err)
		}
	}
	return p.checkOrder()
}

// checkOrder rejects a predictor that reads its own output or that of a later predictor.
func (p *Program) checkOrder() error {
	made := map[string]bool{}
	for i, predictor := range p.Predictors {
		later := map[string]string{} // outputs of this predictor and later ones, and their predictors
		for _, other := range p.Predictors[i:] {
			for _, f := range other.Signature().Outputs {
				later[other.Name+"."+f.Name] = other.Name
				if _, ok := later[f.Name]; !ok {
					later[f.Name] = other.Name
				}
			}
		}
		for _, f := range predictor.Inputs {
			source := predictor.source(f.Name)
			maker, ok := later[source]
			switch {
			case made[source] && f.HoldsImages():
				return fmt.Errorf("predictor %q reads the image %q from an output; images are values of the rows", predictor.Name, source)
			case made[source]:
			case ok && maker == predictor.Name:
				return fmt.Errorf("predictor %q reads its own output %q: a program cannot be recursive", predictor.Name, source)
			case ok:
				return fmt.Errorf("predictor %q reads %q, which %q makes only after it", predictor.Name, source, maker)
			case strings.Contains(source, "."):
				return fmt.Errorf("predictor %q reads %q, which no predictor before it makes", predictor.Name, source)
			}
		}
		for _, f := range predictor.Signature().Outputs {
			made[f.Name], made[predictor.Name+"."+f.Name] = true, true
		}
	}
	return nil
}

func (p *Predictor) check() error {
	if !predictorName.MatchString(p.Name) {
		return errors.New(`its name must be a Python attribute such as route, steps[0] or inner.route`)
	}
	switch p.Module {
	case "":
		p.Module = Predict
	case Predict, ChainOfThought:
	default:
		return fmt.Errorf("module %q is neither %q nor %q", p.Module, Predict, ChainOfThought)
	}
	if len(p.Instructions) > MaxInstructionBytes {
		return fmt.Errorf("its instructions have %d bytes; at most %d are taken", len(p.Instructions), MaxInstructionBytes)
	}
	if len(p.Inputs) == 0 || len(p.Outputs) == 0 {
		return errors.New("it needs at least one input and one output")
	}
	if len(p.Inputs)+len(p.Outputs) > MaxFields {
		return fmt.Errorf("it has %d fields; at most %d are taken", len(p.Inputs)+len(p.Outputs), MaxFields)
	}
	if err := p.checkFields(); err != nil {
		return err
	}
	if p.Instructions == "" {
		p.Instructions = defaultInstructions(p.Inputs, p.Outputs)
	}
	if p.Module == ChainOfThought { // DSPy builds it from another signature, which has read the instructions once
		p.Instructions = python.CleanDoc(p.Instructions)
	}
	for input := range p.Reads {
		if !hasField(p.Inputs, input) {
			return fmt.Errorf("reads names the input %q, which it does not have", input)
		}
	}
	return p.checkDemos()
}

func (p *Predictor) checkFields() error {
	seen := map[string]bool{}
	classes := map[string]*Type{}
	for side, fields := range [][]Field{p.Inputs, p.Outputs} {
		for i := range fields {
			f := &fields[i]
			switch {
			case !annotation.Name.MatchString(f.Name):
				return fmt.Errorf("field %q: a name is letters, digits and underscores, a letter first", f.Name)
			case seen[f.Name]:
				return fmt.Errorf("it has two fields named %q", f.Name)
			case len(f.Desc) > maxDescriptionBytes || len(f.Prefix) > maxDescriptionBytes:
				return fmt.Errorf("field %q: its description has over %d bytes", f.Name, maxDescriptionBytes)
			}
			seen[f.Name] = true
			f.Normalize()
			if err := f.Check(classes); err != nil {
				return fmt.Errorf("field %q: %w", f.Name, err)
			}
			if err := f.checkDefault(); err != nil {
				return fmt.Errorf("field %q: %w", f.Name, err)
			}
			if side == 1 && f.HoldsImages() {
				return fmt.Errorf("field %q: an image is an input; models answer with text", f.Name)
			}
		}
	}
	return nil
}

func (p *Predictor) checkDemos() error {
	signature := p.Signature()
	for i, demo := range p.Demos {
		if demo == nil {
			return fmt.Errorf("demo %d is null", i+1)
		}
		known := 0
		for _, f := range signature.Fields() {
			if _, ok := demo.Get(f.Name); ok {
				known++
			}
		}
		if known == 0 {
			return fmt.Errorf("demo %d has none of the predictor's fields: %s", i+1, python.Dumps(demo))
		}
		typed, err := WithImages(p.Inputs, demo)
		if err != nil {
			return fmt.Errorf("demo %d: %w", i+1, err)
		}
		p.Demos[i] = typed
	}
	return nil
}

func hasField(fields []Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}
