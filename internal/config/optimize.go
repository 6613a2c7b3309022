package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/strictjson"
)

// Optimize says which language models prompts are optimized with: those of the section
// cogflow.optimize, otherwise those of Cogniverse's llm_config and optimization.
type Optimize struct {
	// Endpoints of Cogniverse's own sections, by the place that names them. They are
	// connected when one of their models is called for the first time.
	Endpoints []Endpoint `json:"endpoints,omitempty"`

	Student  LM `json:"student"`  // runs candidates
	Teacher  LM `json:"teacher"`  // runs the program for demos; unset: the student
	Proposer LM `json:"proposer"` // writes instructions; unset: the teacher
	Judge    LM `json:"judge"`    // scores, if a metric requires it; unset: the teacher

	Components map[string]LM `json:"components,omitempty"` // students of llm_config.overrides, by component

	Metrics map[string][]string `json:"metrics,omitempty"` // commands that score, as argument vectors, by the name that inputs use

	// Settings of Cogniverse's optimization.settings, for inputs without them; 0 = not set.
	NumExamples   int `json:"num_examples,omitempty"`
	NumCandidates int `json:"num_candidates,omitempty"`
	NumTrials     int `json:"num_trials,omitempty"`
}

// LM is a language model in a role. Its name is the one used in inputs, ledger and reports.
type LM struct {
	prompt.Model
	Endpoint string `json:"endpoint,omitempty"` // name of the endpoint that serves it
	From     string `json:"from,omitempty"`     // place in the file that names it
	Missing  string `json:"missing,omitempty"`  // what is missing to use it; empty = nothing
}

// Defaults of Cogniverse's language models.
const (
	defaultHeat         = 0.1
	defaultTokens       = 1000
	defaultThoughtfully = 16000 // of a reasoning model; DSPy requests the same number
	maxTokens           = 1 << 20
)

// Student returns the model that runs the programs of a component, which
// llm_config.overrides may name; "" = any other.
func (c Config) Student(component string) (prompt.Model, error) {
	if m, ok := c.Optimize.Components[component]; ok && !c.ownStudent {
		return m.usable("student")
	}
	return c.Optimize.Student.usable("student")
}

// Teacher returns the model that runs programs for demos.
func (c Config) Teacher() (prompt.Model, error) { return c.Optimize.Teacher.usable("teacher") }

// Proposer returns the model that writes instructions.
func (c Config) Proposer() (prompt.Model, error) { return c.Optimize.Proposer.usable("proposer") }

// Judge returns the model that scores.
func (c Config) Judge() (prompt.Model, error) { return c.Optimize.Judge.usable("judge") }

func (m LM) usable(role string) (prompt.Model, error) {
	if m.Missing != "" {
		return prompt.Model{}, fault.New(fault.Input, "choose language model", role, m.Missing)
	}
	return m.Model, nil
}

// UnmarshalJSON reads a string or an object.
func (r *role) UnmarshalJSON(data []byte) error {
	if strings.HasPrefix(strings.TrimSpace(string(data)), `"`) {
		return json.Unmarshal(data, &r.Model)
	}
	type plain role
	return strictjson.Unmarshal(data, (*plain)(r), strictjson.AllowUnknown) // decode reports them, with suggestions
}

// takeOptimize finds the model of every role.
func (c *Config) takeOptimize(s optimizeSection) (problems Problems) {
	lms := cogniverseLMs{config: c}
	problems = append(problems, lms.read(c.file)...)
	o := &c.Optimize
	o.Metrics, o.NumExamples, o.NumCandidates, o.NumTrials = s.Metrics, lms.settings.NumExamples, lms.settings.NumCandidates, lms.settings.NumTrials
	student, teacher := lms.student(), lms.teacher()
	o.Components = lms.components()
	c.ownStudent = s.Student.Model != ""
	for _, r := range []struct {
		name      string
		role      role
		to        *LM
		otherwise func() LM
	}{
		{"student", s.Student, &o.Student, func() LM { return student }},
		{"teacher", s.Teacher, &o.Teacher, func() LM {
			if teacher.From == "" { // as in DSPy
				return o.Student
			}
			return teacher
		}},
		{"proposer", s.Proposer, &o.Proposer, func() LM { return o.Teacher }},
		{"judge", s.Judge, &o.Judge, func() LM { return o.Teacher }},
	} {
		if r.role.Model == "" {
			*r.to = r.otherwise()
			if !r.role.empty() {
				problems = append(problems, Problem{Place: "cogflow.optimize." + r.name + ".model", Text: "missing", Fix: "name a model that an endpoint of kind openai serves"})
			}
			continue
		}
		m, bad := c.lm("cogflow.optimize."+r.name, r.role)
		*r.to = m
		problems = append(problems, bad...)
	}
	return append(problems, c.takePrices(s.Prices)...)
}

func (r role) empty() bool {
	return r == role{}
}

// lm is the model of a role in the section cogflow.optimize.
func (c *Config) lm(place string, r role) (LM, Problems) {
	e, ok := c.chat(r.Model)
	if !ok {
		return LM{}, Problems{{Place: place, Text: "no endpoint serves the model " + r.Model, Fix: "list it in the models of one of cogflow.endpoints of kind openai"}}
	}
	m := LM{From: place, Endpoint: e.Name, Model: prompt.Model{
		Name: r.Model, Revision: r.Revision, Seeded: r.Seeded.or(false),
	}}
	format := r.Format.over(setting[string]{&e.Format, omits(e.Omit, ResponseFormat)})
	thinking := r.Thinking.over(setting[bool]{e.Thinking, omits(e.Omit, EnableThinking)})
	m.Thinking = thinking.value
	if !format.null {
		m.Server = forces(format.or(""))
	}
	m.Omit = omitted(map[string]bool{Seed: r.Seeded.null, ResponseFormat: format.null, EnableThinking: thinking.null})
	m.complete(e.served(r.Model), e, r.Temperature, r.MaxTokens)
	return m, checkLM(place, e, m, format.or(""))
}

// complete sets the parameters of an endpoint's model, with their defaults; a reasoning model
// takes no temperature, and needs more tokens.
func (m *LM) complete(served string, e Endpoint, temperature setting[float64], limit setting[int]) {
	thinks := slices.ContainsFunc([]string{"o1", "o3", "o4", "gpt-5", "gpt-6"}, func(p string) bool { return strings.HasPrefix(served, p) })
	temperature, limit = temperature.over(e.temperature()), positive(limit).over(e.maxTokens())
	if !temperature.set() && !thinks {
		temperature.value = new(defaultHeat)
	}
	otherwise := defaultTokens
	switch {
	case limit.null:
		otherwise = 0
	case thinks:
		otherwise = defaultThoughtfully
	}
	m.Temperature, m.MaxTokens = temperature.value, limit.or(otherwise)
	m.Omit = slices.Sorted(slices.Values(append(m.Omit, omitted(map[string]bool{Temperature: temperature.null, MaxTokens: limit.null})...)))
}

// chat returns the endpoint of a language model.
func (c Config) chat(model string) (Endpoint, bool) {
	for _, all := range [][]Endpoint{c.Endpoints, c.Optimize.Endpoints} {
		for _, e := range all {
			if e.Kind == OpenAI && slices.Contains(e.Models, model) {
				return e, true
			}
		}
	}
	return Endpoint{}, false
}

// Chat lists the endpoints of language models.
func (c Config) Chat() (all []Endpoint) {
	for _, e := range c.Endpoints {
		if e.Kind == OpenAI {
			all = append(all, e)
		}
	}
	return append(all, c.Optimize.Endpoints...)
}

// Price returns the price of a model's tokens: the configured one, otherwise the vendor's
// list price; nil = unknown.
func (c Config) Price(model string) *prompt.Price {
	e, ok := c.chat(model)
	for _, name := range []string{model, e.served(model)} {
		if p, priced := c.prices[name]; priced {
			return &p
		}
	}
	if !ok {
		return nil
	}
	return e.price(model)
}

// takePrices sets the price of every role's model.
func (c *Config) takePrices(prices map[string]tokenPrices) (problems Problems) {
	c.prices = map[string]prompt.Price{}
	var known []string
	for _, e := range c.Chat() {
		for _, m := range e.Models {
			known = append(known, m, e.served(m))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(prices)) {
		place := "cogflow.optimize.prices." + name
		p, bad := prices[name].price(place)
		if problems = append(problems, bad...); p != nil {
			c.prices[name] = *p
		}
		if !slices.Contains(known, name) {
			problems = append(problems, Problem{Place: place, Text: "no endpoint serves this model", Fix: suggest(name, known)})
		}
	}
	o := &c.Optimize
	for _, m := range []*LM{&o.Student, &o.Teacher, &o.Proposer, &o.Judge} {
		m.Price = c.Price(m.Name)
	}
	for name, m := range o.Components {
		m.Price = c.Price(m.Name)
		o.Components[name] = m
	}
	return problems
}

// overrideOptimize applies the environment to the section: the name of a model replaces the
// whole role.
func overrideOptimize(problems *Problems, s *optimizeSection, getenv func(string) string) {
	for name, to := range map[string]*role{
		"COGFLOW_OPTIMIZE_STUDENT": &s.Student, "COGFLOW_OPTIMIZE_TEACHER": &s.Teacher,
		"COGFLOW_OPTIMIZE_PROPOSER": &s.Proposer, "COGFLOW_OPTIMIZE_JUDGE": &s.Judge,
	} {
		if model := getenv(name); model != "" {
			*to = role{Model: model}
		}
	}
	parse(problems, getenv, "COGFLOW_OPTIMIZE_PRICES", `an object like {"gpt-4o":{"input_usd_per_mtok":2.5,"output_usd_per_mtok":10}}`, &s.Prices,
		func(v string) (p map[string]tokenPrices, err error) { return p, strictjson.Unmarshal([]byte(v), &p) })
}
