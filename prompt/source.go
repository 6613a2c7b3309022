package prompt

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cogniverse/cogflow/prompt/python"
)

// Source is the program as Python source, for the proposer: the text of the program file, or one
// written from its predictors.
func (p *Program) Source() string {
	if p.Text != "" {
		return p.Text
	}
	var b strings.Builder
	for _, predictor := range p.Predictors {
		predictor.writeClass(&b)
	}
	inputs := make([]string, 0, len(p.Inputs()))
	for _, f := range p.Inputs() {
		inputs = append(inputs, f.Name)
	}
	fmt.Fprintf(&b, "class %s(dspy.Module):\n    def __init__(self):\n        super().__init__()\n", pascal(p.Name))
	for _, predictor := range p.Predictors {
		module := "Predict"
		if predictor.Module == ChainOfThought {
			module = "ChainOfThought"
		}
		fmt.Fprintf(&b, "        self.%s = dspy.%s(%s)\n", predictor.Name, module, pascal(predictor.Name))
	}
	fmt.Fprintf(&b, "\n    def forward(self, %s):\n", strings.Join(inputs, ", "))
	makers := map[string]string{}
	for _, predictor := range p.Predictors {
		arguments := make([]string, len(predictor.Inputs))
		for i, f := range predictor.Inputs {
			source := predictor.source(f.Name)
			if maker, ok := makers[source]; ok {
				source = maker
			}
			arguments[i] = f.Name + "=" + source
		}
		result := snake(predictor.Name)
		fmt.Fprintf(&b, "        %s = self.%s(%s)\n", result, predictor.Name, strings.Join(arguments, ", "))
		for _, f := range predictor.Signature().Outputs {
			makers[f.Name] = result + "." + f.Name
			makers[predictor.Name+"."+f.Name] = result + "." + f.Name
		}
	}
	outputs := make([]string, 0, len(p.Outputs()))
	for _, f := range p.Outputs() {
		outputs = append(outputs, f.Name+"="+makers[f.Name])
	}
	fmt.Fprintf(&b, "        return dspy.Prediction(%s)\n", strings.Join(outputs, ", "))
	return b.String()
}

// writeClass writes the predictor's signature as a Python class.
func (p *Predictor) writeClass(b *strings.Builder) {
	fmt.Fprintf(b, "class %s(dspy.Signature):\n    \"\"\"%s\"\"\"\n\n", pascal(p.Name),
		strings.ReplaceAll(p.Signature().Objective(), "\n", "\n    "))
	for _, side := range []struct {
		name   string
		fields []Field
	}{{"InputField", p.Inputs}, {"OutputField", p.Outputs}} {
		for _, f := range side.fields {
			var arguments []string
			if text := f.description(); text != "" {
				arguments = append(arguments, "desc="+python.Repr(text))
			}
			if v, ok, err := f.defaultOf(); ok && err == nil {
				arguments = append(arguments, "default="+python.Repr(v))
			}
			fmt.Fprintf(b, "    %s: %s = dspy.%s(%s)\n", f.Name, f.Annotation(), side.name, strings.Join(arguments, ", "))
		}
	}
	b.WriteString("\n\n")
}

var wordStart = regexp.MustCompile(`[A-Za-z0-9]+`)

// pascal converts a name to a class name.
func pascal(name string) string {
	words := wordStart.FindAllString(name, -1)
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	if len(words) == 0 {
		return "Program"
	}
	return strings.Join(words, "")
}

// snake converts a predictor's name to a variable name.
func snake(name string) string {
	return strings.ToLower(strings.Join(wordStart.FindAllString(name, -1), "_")) + "_result"
}
