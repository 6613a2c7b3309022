package saved_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/saved"
)

const (
	signature = `{"name": "router", "predictors": [{"name": "route", "module": "chain_of_thought", "inputs": [{"name": "user_query"}],
		"outputs": [{"name": "agent", "type": "literal", "options": ["a", "b"]}, {"name": "sure", "type": "bool"}]}]}`
	fields = `"fields": [{"prefix": "User Query:", "description": "${user_query}"}, {"prefix": "Reasoning:", "description": "${reasoning}"},
		{"prefix": "Agent:", "description": "which"}, {"prefix": "Sure:", "description": "${sure}"}]`
	demo = `{"augmented": true, "user_query": "q", "reasoning": "r", "agent": "a", "sure": "yes"}`
)

// file is a file of DSPy with one predictor.
func file(key, demos, more string) string {
	return `{"` + key + `": {"traces": [], "train": [], "demos": [` + demos + `], "signature": {"instructions": "Route.", ` + fields + `}` + more + `,
		"lm": {"model": "gpt"}}, "metadata": {"dependency_versions": {"python": "3.11", "dspy": "3.4.1"}}}`
}

func TestLoad(t *testing.T) {
	t.Parallel()
	s, err := prompt.Read([]byte(signature))
	require.NoError(t, err)
	text := file("route.predict", demo, "")
	require.True(t, saved.Is([]byte(text)))
	require.False(t, saved.Is([]byte(signature)))
	require.False(t, saved.Is([]byte(`{"a": {"b": 1}}`)))
	p, err := saved.Load(s, []byte(text))
	require.NoError(t, err)
	require.Equal(t, "Route.", p.Predictors[0].Instructions)
	require.Equal(t, "which", p.Predictors[0].Signature().Outputs[1].Desc)
	require.Len(t, p.Predictors[0].Demos, 1)

	named, err := saved.Named("router", []byte(text))
	require.NoError(t, err)
	require.Equal(t, prompt.ChainOfThought, named.Predictors[0].Module)
	got, err := json.Marshal(named.Predictors[0].Outputs)
	require.NoError(t, err)
	require.JSONEq(t, `[{"name": "reasoning"}, {"name": "agent", "desc": "which"}, {"name": "sure"}]`, string(got))
	require.Equal(t, string(named.File()), string(p.File()))
}

// TestRefuses: missing names and types are never guessed, and the error says what to do.
func TestRefuses(t *testing.T) {
	t.Parallel()
	s, err := prompt.Read([]byte(signature))
	require.NoError(t, err)
	for _, c := range []struct{ text, load, named string }{
		{file("route.predict", "", ""), "", `predictor "route.predict": the file does not say the name of field 3 ("Agent:"); give a signature`},
		{file("route.predict", `{"agent": "a", "sure": true}`, ""), "", `the demos show that field "sure" is not text`},
		{file("route.predict", `{"agent": "a", "sure": "<<CUSTOM-TYPE-START-IDENTIFIER>>[]<<CUSTOM-TYPE-END-IDENTIFIER>>"}`, ""), "", `the demos show that field "sure" is an image`},
		{file("other", demo, ""), `the signature has the predictor "route.predict" and the file has "other"`, "the file does not say which of its fields"},
		{file("route.predict", demo, `, "fields": {"agent": {"criteria": "x"}}`), "has decision criteria", "has decision criteria"},
		{`{"route.predict": {"extended_signature": {}}, "metadata": {}}`, "DSPy 2.5 or older", "DSPy 2.5 or older"},
		{`{"metadata": {}}`, "has no predictors", "has no predictors"},
		{`[]`, "read saved DSPy program", "read saved DSPy program"},
	} {
		_, err := saved.Load(s, []byte(c.text))
		if c.load == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, c.load)
			require.Equal(t, fault.Input, fault.ClassOf(err))
		}
		_, err = saved.Named("p", []byte(c.text))
		require.ErrorContains(t, err, c.named)
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
	two := `{"route.predict": ` + `{"signature": {"instructions": "", ` + fields + `}, "demos": [], "lm": null}, "more": {"signature": {"instructions": "", "fields": []}}}`
	_, err = saved.Load(s, []byte(two))
	require.ErrorContains(t, err, `the file has the predictor "more", which the signature lacks`)
}

func FuzzNamed(f *testing.F) {
	f.Add(file("route.predict", demo, ""))
	f.Add(`{"signature": {"instructions": "Given the fields ` + "`a`, produce the fields `b`" + `.", "fields": [{"prefix": "A:", "description": "x"}, null]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := saved.Named("p", []byte(text))
		if err != nil {
			return
		}
		if _, err := saved.Load(p, []byte(text)); err != nil {
			t.Fatal("what was read is not read with its own signature:", err)
		}
	})
}
