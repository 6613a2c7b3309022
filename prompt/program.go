package prompt

import "slices"

// Module is the kind of a predictor.
type Module string

// The modules.
const (
	Predict        Module = "predict"          // asks for the outputs (the default)
	ChainOfThought Module = "chain_of_thought" // asks for reasoning first
)

// Program is a pipeline of predictors. Each reads the program's inputs and the outputs of
// earlier predictors, by name; a later field replaces an earlier one of the same name. Read
// reads and checks a program file.
type Program struct {
	Name       string       `json:"name"`
	Predictors []*Predictor `json:"predictors"`
	Text       string       `json:"text,omitempty"` // source code for the proposer; "" = written from the predictors
}

// Predictor is one call of a model within a program.
type Predictor struct {
	// Name is the attribute of the DSPy module that holds it: route, steps[0],
	// inner.route. The name self is for a program that is a single predictor.
	Name         string            `json:"name"`
	Module       Module            `json:"module,omitempty"`       // "" = predict
	Instructions string            `json:"instructions,omitempty"` // "" = DSPy's sentence
	Inputs       []Field           `json:"inputs"`
	Outputs      []Field           `json:"outputs"`
	Reads        map[string]string `json:"reads,omitempty"` // input: "field" or "predictor.field" it reads; absent = the field of its own name
	Demos        []*Object         `json:"demos,omitempty"`
}

// Signature returns the fields of the predictor, including the reasoning of a chain of
// thought.
func (p *Predictor) Signature() Signature {
	s := Signature{Instructions: p.Instructions, Inputs: p.Inputs, Outputs: p.Outputs}
	if p.Module != ChainOfThought {
		return s
	}
	reasoning := Field{Name: "reasoning"}
	for _, f := range p.Outputs { // its own reasoning field moves to the front unchanged
		if f.Name == reasoning.Name {
			reasoning = f
		}
	}
	s.Outputs = append(make([]Field, 0, len(p.Outputs)+1), reasoning)
	for _, f := range p.Outputs {
		if f.Name != reasoning.Name {
			s.Outputs = append(s.Outputs, f)
		}
	}
	return s
}

// Key is the predictor's key in DSPy's files, "" for a program that is one
// Predict, whose file has none.
func (p *Predictor) Key() string {
	switch {
	case p.Name != "self" && p.Module == ChainOfThought:
		return p.Name + ".predict"
	case p.Name != "self":
		return p.Name
	case p.Module == ChainOfThought:
		return "predict"
	}
	return ""
}

// Copy returns a program whose predictors can be changed without changing p.
// Their fields and demos are shared.
func (p *Program) Copy() *Program {
	c := *p
	c.Predictors = make([]*Predictor, len(p.Predictors))
	for i, predictor := range p.Predictors {
		copied := *predictor
		c.Predictors[i] = &copied
	}
	return &c
}

// Inputs lists the inputs of the program, in the order of their first use. An input has a default
// if it has one in every predictor that reads it: a row may lack it.
func (p *Program) Inputs() []Field {
	var inputs []Field
	known := map[string]bool{}
	for _, predictor := range p.Predictors {
		for _, f := range predictor.Inputs {
			source := predictor.source(f.Name)
			if !known[source] {
				known[source] = true
				f.Name = source
				inputs = append(inputs, f)
			}
			if f.Default == nil {
				required(inputs, source)
			}
		}
		for _, f := range predictor.Signature().Outputs {
			known[f.Name], known[predictor.Name+"."+f.Name] = true, true
		}
	}
	return inputs
}

// required removes the default of an input.
func required(inputs []Field, name string) {
	for i := range inputs {
		if inputs[i].Name == name {
			inputs[i].Default = nil
		}
	}
}

// Outputs lists the outputs of the program; of two with one name, the later.
func (p *Program) Outputs() []Field {
	var outputs []Field
	for _, predictor := range p.Predictors {
		for _, f := range predictor.Signature().Outputs {
			outputs = slices.DeleteFunc(outputs, func(o Field) bool { return o.Name == f.Name })
			outputs = append(outputs, f)
		}
	}
	return outputs
}

// Given reports whether an input of a predictor is an input of the program, with values from the
// rows, instead of an output of an earlier predictor.
func (p *Program) Given(predictor int, input string) bool {
	source := p.Predictors[predictor].source(input)
	return slices.ContainsFunc(p.Predictors[predictor].Inputs, func(f Field) bool { return f.Name == input }) &&
		slices.ContainsFunc(p.Inputs(), func(f Field) bool { return f.Name == source })
}

// source is the name of the value that an input reads.
func (p *Predictor) source(input string) string {
	if from, ok := p.Reads[input]; ok {
		return from
	}
	return input
}

// gather collects a predictor's inputs from the values so far.
func (p *Predictor) gather(values *Object) *Object {
	inputs := &Object{}
	for _, f := range p.Inputs {
		if v, ok := values.Get(p.source(f.Name)); ok {
			inputs.Set(f.Name, v)
		}
	}
	p.addDefaults(inputs)
	return inputs
}

// publish adds a predictor's outputs to the values so far.
func (p *Predictor) publish(values, outputs *Object) {
	for _, k := range outputs.Keys() {
		v, _ := outputs.Get(k)
		values.Set(k, v)
		values.Set(p.Name+"."+k, v)
	}
}
