package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/config/provider"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/strictjson"
)

// Cogniverse's own file, for language models: llm_config, inference.modal_endpoint and
// optimization. Problems are reported only when a model is used, since the sections may be
// there for other parts of Cogniverse; only a key in plain text is reported at once.

// llm is a language model in Cogniverse's form. The provider is that of the deployment
// guide; without it, the model's name begins with litellm's.
type llm struct {
	Provider    string           `json:"provider"`
	Model       string           `json:"model"`
	APIBase     string           `json:"api_base"`
	Key         string           `json:"api_key"` // the name of a variable, in litellm's form, or a placeholder
	KeyVariable string           `json:"api_key_env"`
	Temperature setting[float64] `json:"temperature"`
	MaxTokens   setting[int]     `json:"max_tokens"`
	Extra       struct {
		Template struct {
			Thinking *bool `json:"enable_thinking"`
		} `json:"chat_template_kwargs"`
	} `json:"extra_body"`
}

// over applies l over another, key by key, as Cogniverse does.
func (l llm) over(base llm) llm {
	prefix, _, _ := strings.Cut(l.Model, "/")
	if provider.Known(prefix) {
		base.Provider = "" // it is part of the name
	}
	base.Provider, base.Model = cmp.Or(l.Provider, base.Provider), cmp.Or(l.Model, base.Model)
	base.APIBase, base.Key, base.KeyVariable = cmp.Or(l.APIBase, base.APIBase), cmp.Or(l.Key, base.Key), cmp.Or(l.KeyVariable, base.KeyVariable)
	base.MaxTokens, base.Temperature = l.MaxTokens.over(base.MaxTokens), l.Temperature.over(base.Temperature)
	if l.Extra.Template.Thinking != nil {
		base.Extra = l.Extra
	}
	return base
}

// cogniverseLMs reads the sections.
type cogniverseLMs struct {
	config *Config
	llm    struct {
		Primary   json.RawMessage            `json:"primary"`
		Teacher   json.RawMessage            `json:"teacher"`
		Overrides map[string]json.RawMessage `json:"overrides"`
	}
	inference struct {
		Modal string `json:"modal_endpoint"`
	}
	optimization struct {
		Teacher  json.RawMessage `json:"teacher"`
		Student  json.RawMessage `json:"student"`
		Settings json.RawMessage `json:"settings"`
	}
	settings struct {
		NumExamples   int `json:"num_examples"`
		NumCandidates int `json:"num_candidates"`
		NumTrials     int `json:"num_trials"`
	}
	broken map[string]string // sections that are not objects, and why
}

func (s *cogniverseLMs) read(file map[string]json.RawMessage) (problems Problems) {
	s.broken = map[string]string{}
	for place, to := range map[string]any{"llm_config": &s.llm, "inference": &s.inference, "optimization": &s.optimization} {
		raw := file[place]
		if len(raw) == 0 {
			continue
		}
		problems = append(problems, literalKeys(place, raw)...)
		if err := strictjson.Unmarshal(raw, to, strictjson.AllowUnknown); err != nil {
			s.broken[place] = err.Error()
		}
	}
	if len(s.optimization.Settings) > 0 && strictjson.Unmarshal(s.optimization.Settings, &s.settings, strictjson.AllowUnknown) != nil {
		s.settings.NumExamples, s.settings.NumCandidates, s.settings.NumTrials = 0, 0, 0 // of unknown form, and only defaults
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Place, b.Place) })
	return problems
}

// literalKeys finds keys in plain text.
func literalKeys(place string, raw json.RawMessage) (problems Problems) {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := place + "." + name
		if name != "api_key" {
			problems = append(problems, literalKeys(at, object[name])...)
			continue
		}
		var key string
		if json.Unmarshal(object[name], &key) == nil && provider.KeyVariable(key) == "" && !placeholder(key) {
			problems = append(problems, Problem{
				Place: at, Text: "a key is written into the file", Fix: `take it out, put it into an environment variable of the worker and name that: "api_key_env": "LM_API_KEY"`,
			})
		}
	}
	return problems
}

// placeholder reports values that people write for servers without a key.
func placeholder(key string) bool {
	return slices.Contains([]string{"", "empty", "none", "ollama", "not-needed", "no-key", "***"}, strings.ToLower(strings.TrimSpace(key)))
}

func (s *cogniverseLMs) student() LM {
	return s.either("student", s.optimization.Student, "primary", s.llm.Primary)
}

func (s *cogniverseLMs) teacher() LM {
	return s.either("teacher", s.optimization.Teacher, "teacher", s.llm.Teacher)
}

// either is the model that optimization names, otherwise that of llm_config. If both name
// it, their settings are merged.
func (s *cogniverseLMs) either(theirs string, optimization json.RawMessage, key string, config json.RawMessage) LM {
	l, place, missing := s.entry("optimization", theirs, optimization)
	base, basePlace, baseMissing := s.entry("llm_config", key, config)
	switch {
	case place == "" && basePlace == "":
		return LM{Missing: "no language model is configured; name one in cogflow.optimize." + theirs + " or llm_config." + key}
	case place == "" || l.Model == "" && missing == "":
		return s.lm(basePlace, base, baseMissing)
	case l.Model == base.Model:
		return s.lm(place, l.over(base), missing)
	}
	return s.lm(place, l, missing)
}

// components are students of their own: their settings override llm_config.primary.
func (s *cogniverseLMs) components() map[string]LM {
	out := map[string]LM{}
	base, _, _ := s.entry("llm_config", "primary", s.llm.Primary)
	for _, name := range slices.Sorted(maps.Keys(s.llm.Overrides)) {
		if l, place, missing := s.entry("llm_config", "overrides."+name, s.llm.Overrides[name]); place != "" {
			out[name] = s.lm(place, l.over(base), missing)
		}
	}
	return out
}

// entry reads one model; a place of "" = there is none.
func (s *cogniverseLMs) entry(section, key string, raw json.RawMessage) (l llm, place, missing string) {
	place = section + "." + key
	if why := s.broken[section]; why != "" {
		return l, place, section + " is not written as Cogniverse's is: " + why
	}
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "{}" {
		return l, "", ""
	}
	if err := strictjson.Unmarshal(raw, &l, strictjson.AllowUnknown); err != nil {
		return l, place, place + " is not written as Cogniverse's is: " + err.Error()
	}
	return l, place, ""
}

// lm translates a model, and adds it to its endpoint.
func (s *cogniverseLMs) lm(place string, l llm, missing string) LM {
	out := LM{From: place, Missing: missing, Model: prompt.Model{Thinking: l.Extra.Template.Thinking}}
	if missing != "" {
		return out
	}
	at, err := provider.Resolve(provider.Model{Provider: l.Provider, Name: l.Model, APIBase: l.APIBase, Key: l.Key, KeyVariable: l.KeyVariable}, s.inference.Modal)
	if err == nil {
		out.Name, out.Server = at.Name, forces(at.Format)
		out.Endpoint, err = s.config.addChat(place, at)
		e, _ := s.config.chat(out.Name)
		out.complete(at.Served, e, l.Temperature, l.MaxTokens)
	}
	if problems := checkLM(place, Endpoint{Dialect: at.Dialect}, out, ""); err == nil && len(problems) > 0 {
		err = fmt.Errorf("%s", problems[0])
	}
	if err != nil {
		out.Missing = place + ": " + strings.TrimPrefix(err.Error(), place+".")
	}
	return out
}

// addChat finds or adds the endpoint of a model; models at the same address with the same
// key share its limit.
func (c *Config) addChat(place string, at provider.Address) (string, error) {
	if e, ok := c.chat(at.Name); ok {
		if e.URL != at.URL || e.KeyVariable != at.KeyVariable {
			return "", fmt.Errorf("%s has the model %s at another address or with another key; name the one that is meant in cogflow.optimize", e.Name, at.Name)
		}
		return e.Name, nil
	}
	o := &c.Optimize
	for i, e := range o.Endpoints {
		if e.URL == at.URL && e.KeyVariable == at.KeyVariable && e.Dialect == at.Dialect {
			o.Endpoints[i].Models = append(e.Models, at.Name)
			o.Endpoints[i].Names[at.Name] = at.Served
			return e.Name, nil
		}
	}
	o.Endpoints = append(o.Endpoints, Endpoint{
		Name: place, Kind: OpenAI, URL: at.URL, KeyVariable: at.KeyVariable, Models: []string{at.Name}, Names: map[string]string{at.Name: at.Served},
		Dialect: at.Dialect, MaxCompletionTokens: at.Official, Format: at.Format,
	})
	return place, nil
}
