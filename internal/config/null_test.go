package config

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
)

// TestNull: a parameter that is null is not sent, whatever the endpoint or a request sets.
func TestNull(t *testing.T) {
	t.Parallel()
	c := load(t, `{"cogflow":{
		"endpoints":{
			"e":{"kind":"openai","url":"http://h/v1","models":["m","n"],"response_format":"schema","enable_thinking":false,"temperature":0.4,"max_tokens":77},
			"f":{"kind":"openai","url":"http://h/v2","models":["v"],"temperature":null,"max_tokens":null,"response_format":null}},
		"optimize":{
			"student":{"model":"m","temperature":null,"max_tokens":null,"response_format":null,"enable_thinking":null,"seeded":null},
			"teacher":"n", "proposer":"v", "judge":{"model":"v","temperature":0,"max_tokens":5,"response_format":"json"}},
		"profiles":{
			"a":{"describe":{"model":"v","structured":true}},
			"b":{"describe":{"model":"v","temperature":0.2,"max_tokens":9}},
			"c":{"describe":{"model":"m","temperature":null,"max_tokens":null}},
			"d":{"describe":{"model":"m"}}}}}`)
	o := c.Optimize
	require.Equal(t, prompt.Model{Name: "m", Omit: []string{"enable_thinking", "max_tokens", "response_format", "seed", "temperature"}}, o.Student.Model)
	require.Equal(t, prompt.Model{Name: "n", Temperature: new(0.4), MaxTokens: 77, Thinking: new(false), Server: prompt.Server{JSON: true, Schema: true}}, o.Teacher.Model)
	require.Equal(t, prompt.Model{Name: "v", Omit: []string{"max_tokens", "response_format", "temperature"}}, o.Proposer.Model)
	require.Equal(t, prompt.Model{Name: "v", Temperature: new(0.0), MaxTokens: 5, Server: prompt.Server{JSON: true}}, o.Judge.Model)

	sent := o.Student.Completion(prompt.Request{Format: &prompt.Object{}}, new(1.0), 4)
	require.Equal(t, prompt.Completion{Model: "m", Rollout: 4}, sent)

	for name, want := range map[string]struct {
		temperature float64
		limit       int
		omit        []string
	}{
		"a": {0, 0, []string{"max_tokens", "response_format", "temperature"}}, "b": {0.2, 9, nil},
		"c": {0, 0, []string{"max_tokens", "temperature"}}, "d": {0.4, 77, nil},
	} {
		p, err := c.Profile(name)
		require.NoError(t, err)
		require.Equal(t, want.temperature, p.Describe.Temperature, name) //nolint:testifylint // as it was written
		require.Equal(t, want.limit, p.Describe.MaxTokens, name)
		require.Equal(t, want.omit, p.Describe.Omit, name)
	}
}

// TestNullOfCogniverse: in Cogniverse's own sections too, as in DSPy.
func TestNullOfCogniverse(t *testing.T) {
	t.Parallel()
	c := load(t, `{"llm_config":{"primary":{"model":"openai/m","api_base":"http://h/v1","temperature":null,"max_tokens":null},
		"overrides":{"routing":{"temperature":0.5}}}}`)
	require.Equal(t, []string{"max_tokens", "temperature"}, c.Optimize.Student.Omit)
	require.Empty(t, c.Optimize.Student.Missing)
	routing := c.Optimize.Components["routing"]
	require.Equal(t, new(0.5), routing.Temperature)
	require.Equal(t, []string{"max_tokens"}, routing.Omit)
}

func TestNullProblems(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`"dialect":"anthropic"},"f":{"kind":"openai","url":"http://h/v2","models":["x"]}},"optimize":{"student":{"model":"m","max_tokens":null}}`: "Anthropic requires it",
		`"temperature":3}}`: "cogflow.endpoints.e.temperature", `"max_tokens":0}}`: "cogflow.endpoints.e.max_tokens",
		`"encoding_format":"base64"}}`: "cogflow.endpoints.e.encoding_format", `"temperature":"hot"}}`: "cogflow.endpoints.e.temperature",
	} {
		_, problems := Check(file(t, `{"cogflow":{"endpoints":{"e":{"kind":"openai","url":"http://h/v1","models":["m"],`+body+`}}`))
		require.Contains(t, fmt.Sprint(problems), want, body)
	}
}

// TestNullSchema: editors accept null where it has a meaning, and nowhere else.
func TestNullSchema(t *testing.T) {
	t.Parallel()
	s, err := Schema()
	require.NoError(t, err)
	resolved, err := s.Resolve(nil)
	require.NoError(t, err)
	for text, ok := range map[string]bool{
		`{"cogflow":{"optimize":{"judge":{"model":"m","temperature":null,"max_tokens":null,"seeded":null,"response_format":null,"enable_thinking":null}}}}`: true,
		`{"cogflow":{"profiles":{"p":{"describe":{"temperature":null,"max_tokens":null}}}}}`:                                                                true,
		`{"cogflow":{"optimize":{"judge":{"model":null}}}}`:                                                                                                 false, `{"cogflow":{"optimize":{"judge":{"model":"m","max_tokens":"x"}}}}`: false,
	} {
		var v any
		require.NoError(t, json.Unmarshal([]byte(text), &v))
		require.Equal(t, ok, resolved.Validate(v) == nil, text)
	}
}

func load(t *testing.T, text string) Config {
	t.Helper()
	c, err := Load(file(t, text))
	require.NoError(t, err)
	return c
}
