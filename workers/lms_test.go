package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/internal/scorer"
	"github.com/cogniverse/cogflow/prompt"
)

var ( // implementations of the activities' ports
	_ optimize.LM     = (*lms)(nil)
	_ optimize.Judges = (*scorer.Scorer)(nil)
)

// lmsOf connects the endpoints of a configuration; pairs are the environment as alternating
// names and values.
func lmsOf(t *testing.T, file map[string]any, pairs ...string) *lms {
	t.Helper()
	text, err := json.Marshal(file)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(name, text, 0o600))
	environment := map[string]string{config.EnvFile: name}
	for i := 0; i < len(pairs); i += 2 {
		environment[pairs[i]] = pairs[i+1]
	}
	getenv := func(name string) string { return environment[name] }
	c, err := config.Load(getenv)
	require.NoError(t, err)
	return newLMs(c, getenv, true, serversOf(c))
}

// TestLMs uses Cogniverse's configuration with a student and a teacher on different servers.
func TestLMs(t *testing.T) {
	t.Parallel()
	student, teacher := lmtest.Start(t), lmtest.Start(t)
	student.Models, teacher.Models, teacher.Key = []string{"HuggingFaceTB/SmolLM3-3B"}, []string{"claude"}, "sk-test"
	l := lmsOf(t, map[string]any{
		"llm_config": map[string]any{
			"primary": map[string]any{"model": "openai/HuggingFaceTB/SmolLM3-3B", "api_base": student.URL},
			"teacher": map[string]any{"provider": "anthropic", "model": "claude", "api_base": teacher.URL + "/v1", "api_key_env": "TEACHER_KEY"},
		},
		"cogflow": map[string]any{"optimize": map[string]any{"prices": map[string]any{"claude": map[string]any{"input_usd_per_mtok": 3, "output_usd_per_mtok": 15}}}},
	}, "TEACHER_KEY", "sk-test")
	models, err := l.Models()
	require.NoError(t, err)
	require.Equal(t, "openai/HuggingFaceTB/SmolLM3-3B", models.Student.Name)
	require.Equal(t, "anthropic/claude", models.Judge.Name)
	require.Nil(t, models.Student.Price)
	for _, m := range []prompt.Model{models.Student, models.Proposer} {
		said, err := l.Complete(t.Context(), m.Completion(prompt.Request{Messages: lmtest.Ask("x").Messages}, nil, 1))
		require.NoError(t, err)
		require.Equal(t, "x", said.Text)
		require.Equal(t, m.Price != nil, said.CostMicroUSD > 0)
		require.GreaterOrEqual(t, l.Limit(m.Name), 1)
	}
	require.Len(t, student.Calls(), 1)
	require.InDelta(t, 0.1, *student.Calls()[0].Heat, 0, "Cogniverse's default")
	require.Len(t, teacher.Answered(), 1)

	require.Len(t, l.checks, 2)
	for _, c := range l.checks {
		require.NoError(t, c.ask(t.Context()), c.endpoint.Name)
	}
	teacher.Models = []string{"another"}
	require.ErrorContains(t, l.checks[1].ask(t.Context()), "it serves another")

	_, err = l.Complete(t.Context(), prompt.Completion{Model: "unknown", Messages: lmtest.Ask("x").Messages})
	require.ErrorContains(t, err, "no endpoint of this worker serves the model")
	require.Equal(t, 1, l.Limit("unknown"))
}

// TestLMsOfAnEndpoint: an endpoint in the section cogflow can also serve language models.
func TestLMsOfAnEndpoint(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	l := lmsOf(t, map[string]any{"cogflow": map[string]any{
		"endpoints": map[string]any{"one": map[string]any{"kind": "openai", "url": s.URL + "/v1", "models": []string{"test/lm"}, "enable_thinking": false}},
		"optimize":  map[string]any{"student": "test/lm"},
	}})
	require.Len(t, l.checks, 1)
	models, err := l.Models()
	require.NoError(t, err)
	require.Equal(t, models.Student, models.Teacher)
	_, err = l.Complete(t.Context(), models.Student.Completion(prompt.Request{Messages: lmtest.Ask("x").Messages}, nil, 0))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"enable_thinking": false}, s.Calls()[0].Template)
}

// TestLMsWithoutAKey: the worker starts, and reports the missing key before any call.
func TestLMsWithoutAKey(t *testing.T) {
	t.Parallel()
	l := lmsOf(t, map[string]any{"llm_config": map[string]any{
		"primary": map[string]any{"model": "ollama/gemma3"}, "teacher": map[string]any{"model": "anthropic/claude"},
	}})
	_, err := l.Models()
	require.ErrorContains(t, err, "the variable ANTHROPIC_API_KEY is not set")
	require.Equal(t, fault.Auth, fault.ClassOf(err))
	require.Equal(t, err.Error(), l.checks[1].ask(t.Context()).Error())
	_, err = l.Complete(t.Context(), prompt.Completion{Model: "anthropic/claude", Messages: lmtest.Ask("x").Messages})
	require.Equal(t, fault.Auth, fault.ClassOf(err))

	_, err = lmsOf(t, map[string]any{}).Models()
	require.EqualError(t, err, `choose language model "student": no language model is configured; name one in cogflow.optimize.student or llm_config.primary`)
	require.Equal(t, fault.Input, fault.ClassOf(err))
}
