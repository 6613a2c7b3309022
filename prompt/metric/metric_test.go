package metric_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/python"
)

func program(t *testing.T) *prompt.Program {
	t.Helper()
	p, err := prompt.Read([]byte(`{"name": "p", "predictors": [{"name": "route", "inputs": [{"name": "q"}], "outputs": [{"name": "agent"},
		{"name": "n", "type": "float"}, {"name": "confidence", "type": "float"}, {"name": "any", "type": "object"},
		{"name": "decision", "type": "object", "class": "D", "fields": [{"name": "kind"}]}]}]}`))
	require.NoError(t, err)
	return p
}

func columns() []string { return []string{"q", "agent", "n", "decision", "answers"} }

func object(t *testing.T, text string) *prompt.Object {
	t.Helper()
	o := &prompt.Object{}
	require.NoError(t, o.UnmarshalJSON([]byte(text)))
	return o
}

func TestScores(t *testing.T) {
	t.Parallel()
	example := object(t, `{"q": "?", "agent": "The Video, search!", "n": 10, "decision": {"kind": "a"}, "answers": ["x y", "z"]}`)
	outputs := object(t, `{"agent": "video search", "n": 10.5, "confidence": 0.8, "any": {"x": {"y": 10}}, "decision": {"kind": "a"}}`)
	for text, want := range map[string]float64{
		`{"kind": "exact", "field": "agent"}`:                                                                                   0,
		`{"kind": "exact", "field": "agent", "normalize": true}`:                                                                1,
		`{"kind": "exact", "field": "decision"}`:                                                                                1,
		`{"kind": "exact", "field": "decision.kind", "weight": 3}`:                                                              1,
		`{"kind": "exact", "field": "any.x.y", "expected": "n"}`:                                                                1,
		`{"kind": "exact", "field": "any.x.z", "expected": "n"}`:                                                                0,
		`{"kind": "exact", "field": "agent", "expected": "answers"}`:                                                            0,
		`{"kind": "f1", "field": "agent"}`:                                                                                      1,
		`{"kind": "f1", "field": "agent", "expected": "answers"}`:                                                               0,
		`{"kind": "contains", "field": "agent", "expected": "q"}`:                                                               0,
		`{"kind": "contains", "field": "agent", "normalize": true}`:                                                             1,
		`{"kind": "numeric", "field": "n"}`:                                                                                     0,
		`{"kind": "numeric", "field": "n", "tolerance": 0.5}`:                                                                   1,
		`{"kind": "numeric", "field": "n", "relative": 0.04}`:                                                                   0,
		`{"kind": "numeric", "field": "agent", "expected": "n"}`:                                                                0,
		`{"kind": "calibrated", "field": "agent", "confidence": "confidence"}`:                                                  1 - 0.8*0.8,
		`{"kind": "calibrated", "field": "agent", "normalize": true, "confidence": "confidence"}`:                               1 - 0.2*0.2,
		`{"kind": "mean", "parts": [{"kind": "exact", "field": "agent"}, {"kind": "exact", "field": "decision", "weight": 3}]}`: 0.75,
	} {
		m, err := metric.Read([]byte(text), program(t), columns())
		require.NoError(t, err, text)
		s := m.Start(example, outputs, prompt.Server{})
		require.True(t, s.Done())
		require.InDelta(t, want, s.Score(), 1e-12, text)
	}
}

// TestJudgeAndCommand: a judge and a command request their answers one after the other.
func TestJudgeAndCommand(t *testing.T) {
	t.Parallel()
	judge := `{"kind": "judge", "weight": 2, "program": {"name": "j", "predictors": [{"name": "j",
		"inputs": [{"name": "q"}, {"name": "predicted_agent"}], "outputs": [{"name": "score", "type": "float"}]}]}}`
	m, err := metric.Read([]byte(`{"kind": "mean", "parts": [{"kind": "exact", "field": "agent"}, `+judge+`, {"kind": "command", "command": "lint"}]}`),
		program(t), columns())
	require.NoError(t, err)
	require.Equal(t, 1, m.Questions())
	s := m.Start(object(t, `{"q": "?", "agent": "a"}`), object(t, `{"agent": "a"}`), prompt.Server{})
	require.False(t, s.Done())
	require.Contains(t, s.Question().Messages[1].Content, "[[ ## predicted_agent ## ]]\na")
	require.Empty(t, s.Command())
	s.Answer("I like it")
	require.Contains(t, s.Question().Messages[1].Content, "JSON object")
	s.Answer(`{"score": 1.5}`)
	require.Nil(t, s.Question())
	require.Equal(t, "lint", s.Command())
	s.Scored(metric.Mark{Score: 0.5})
	require.True(t, s.Done())
	require.InDelta(t, (1+2+0.5)/4, s.Score(), 1e-12)
	s.Answer("late")
	s.Scored(metric.Mark{Score: 1})

	m, err = metric.Read([]byte(judge), program(t), columns())
	require.NoError(t, err)
	s = m.Start(&prompt.Object{}, python.NewObject("agent", "a"), prompt.Server{})
	for s.Question() != nil {
		s.Answer("no")
	}
	require.Zero(t, s.Score(), "the judge's answer is unreadable")
}

// TestFeedback: a metric names the expected value, a judge its reasons, and a command its own
// text, which may be for one predictor only.
func TestFeedback(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"kind": "exact", "field": "agent"}`:                                                                                  "agent is wrong: expected 'a', got 'the cat sat'.",
		`{"kind": "exact", "field": "agent", "expected": "q"}`:                                                                 "agent is right: expected 'the cat sat', got 'the cat sat'.",
		`{"kind": "f1", "field": "agent", "expected": "answers"}`:                                                              "agent has only some of the words: expected ['a cat', 'a dog'], got 'the cat sat'.",
		`{"kind": "contains", "field": "agent"}`:                                                                               "agent is right: expected a text with 'a', got 'the cat sat'.",
		`{"kind": "contains", "field": "agent", "expected": "answers"}`:                                                        "agent is wrong: expected a text with one of ['a cat', 'a dog'], got 'the cat sat'.",
		`{"kind": "numeric", "field": "n", "relative": 0.1}`:                                                                   "n is wrong: expected -10 within 1.0, got 3.",
		`{"kind": "exact", "field": "decision.kind"}`:                                                                          "decision.kind is missing; expected 'x'.",
		`{"kind": "calibrated", "field": "agent", "confidence": "confidence"}`:                                                 "agent is wrong: expected 'a', got 'the cat sat'. confidence was 0.9.",
		`{"kind": "mean", "parts": [{"kind": "exact", "field": "agent", "expected": "q"}, {"kind": "numeric", "field": "n"}]}`: "agent is right: expected 'the cat sat', got 'the cat sat'.\nn is wrong: expected -10 within 0.0, got 3.",
	} {
		m, err := metric.Read([]byte(text), program(t), columns())
		require.NoError(t, err, text)
		s := m.Start(object(t, `{"q": "the cat sat", "agent": "a", "n": -10, "decision": {"kind": "x"}, "answers": ["a cat", "a dog"]}`),
			object(t, `{"agent": "the cat sat", "n": 3, "confidence": 0.9}`), prompt.Server{})
		require.Equal(t, want, s.Feedback("route"), text)
	}
	m, err := metric.Read([]byte(`{"kind": "mean", "parts": [{"kind": "judge", "program": {"name": "j", "predictors": [{"name": "j", "module": "chain_of_thought",
		"inputs": [{"name": "q"}, {"name": "predicted_agent"}], "outputs": [{"name": "score", "type": "float"}]}]}}, {"kind": "command", "command": "lint"}]}`),
		program(t), columns())
	require.NoError(t, err)
	s := m.Start(object(t, `{"q": "?"}`), object(t, `{"agent": "a"}`), prompt.Server{})
	s.Answer("[[ ## reasoning ## ]]\nIt is too short.\n[[ ## score ## ]]\n0.5")
	s.Scored(metric.Mark{Score: 1, Feedback: "no lint", Predictors: map[string]string{"route": strings.Repeat("é", 2001)}})
	require.Equal(t, "It is too short.\nno lint", s.Feedback("reply"))
	require.Equal(t, "It is too short.\n"+strings.Repeat("é", 2000)+" …", s.Feedback("route"))
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"kind": "exact", "field": "agent"} x`:              "after top-level value",
		`{"kind": "exact", "fild": "agent"}`:                 `unknown field "fild"`,
		`{"kind": "exact", "field": "agent", "Field": "x"}`:  `unknown field "Field"`,
		`{"kind": "exact", "kind": "f1", "field": "agent"}`:  `"kind": the name is listed twice`,
		`{"kind": "best"}`:                                   `unknown kind "best"`,
		`{"kind": "exact"}`:                                  "field is required",
		`{"kind": "exact", "field": "agnt"}`:                 `no output "agnt"`,
		`{"kind": "exact", "field": "agent.x"}`:              "not an object",
		`{"kind": "exact", "field": "decision.x"}`:           `class D has no field "x"`,
		`{"kind": "exact", "field": "confidence"}`:           `no column "confidence"; they have q, agent`,
		`{"kind": "exact", "field": "agent", "weight": -1}`:  "is not negative, got -1",
		`{"kind": "numeric", "field": "n", "tolerance": -1}`: "must not be negative",
		`{"kind": "calibrated", "field": "agent"}`:           "field is required",
		`{"kind": "command", "command": "/bin/sh"}`:          "name a command",
		`{"kind": "mean"}`:                                   "1 to 64 parts",
		`{"kind": "mean", "parts": [null]}`:                  "part 1 is null",
		`{"kind": "mean", "parts": [{"kind": "mean"}]}`:      "be the outermost metric",
		`{"kind": "judge"}`:                                  "requires a program",
		`{"kind": "judge", "program": {"name": "j"}}`:        "no predictors",
		`{"kind": "judge", "program": {"name": "j", "predictors": [{"name": "j", "inputs": [{"name": "q"}], "outputs": [{"name": "s"}]}]}}`:                               `no output "score"`,
		`{"kind": "judge", "program": {"name": "j", "predictors": [{"name": "j", "inputs": [{"name": "x"}], "outputs": [{"name": "score", "type": "float"}]}]}}`:          `reads "x"`,
		`{"kind": "judge", "program": {"name": "j", "predictors": [{"name": "j", "inputs": [{"name": "predicted_x"}], "outputs": [{"name": "score", "type": "bool"}]}]}}`: `reads "predicted_x"`,
	} {
		_, err := metric.Read([]byte(text), program(t), columns())
		require.ErrorContains(t, err, want, text)
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
}

// TestChecks: a metric that would score 0 on every row is rejected before the first call.
func TestChecks(t *testing.T) {
	t.Parallel()
	judge := func(score string) *metric.Metric {
		m, err := metric.Read([]byte(`{"kind": "mean", "parts": [{"kind": "f1", "field": "agent", "expected": "answers"}, {"kind": "judge", "program": {"name": "j",
			"predictors": [{"name": "j", "inputs": [{"name": "q"}, {"name": "predicted_agent"}], "outputs": [{"name": "score"`+score+`}]}]}}]}`), program(t), columns())
		require.NoError(t, err)
		return m
	}
	require.Equal(t, []string{"answers", "q"}, judge("").Columns())
	for score, want := range map[string]string{
		`, "type": "float"`:                               "",
		`, "type": "int"`:                                 "",
		`, "type": "bool"`:                                "",
		`, "type": "literal", "options": [0, 1]`:          "",
		`, "type": "literal", "options": [1, 2, 3]`:       "may be 2, which is not a number from 0 to 1",
		`, "type": "literal", "options": ["good", "bad"]`: "may be good",
		`, "type": "list"`:                                "must have the type float, int or bool",
		``:                                                "is str",
	} {
		err := judge(score).CheckScores()
		if want == "" {
			require.NoError(t, err, score)
			continue
		}
		require.ErrorContains(t, err, want, score)
	}
}

// TestScoreOutOfRange: it counts as the nearest score in range, and is reported.
func TestScoreOutOfRange(t *testing.T) {
	t.Parallel()
	m, err := metric.Read([]byte(`{"kind": "judge", "program": {"name": "j", "predictors": [{"name": "j", "inputs": [{"name": "q"}],
		"outputs": [{"name": "score", "type": "float"}]}]}}`), program(t), columns())
	require.NoError(t, err)
	for text, want := range map[string]struct {
		score float64
		told  bool
	}{"0.5": {0.5, false}, "1": {1, false}, "7": {1, true}, "-1": {0, true}, "nan": {0, true}} {
		s := m.Start(python.NewObject("q", "?"), &prompt.Object{}, prompt.Server{})
		var told error
		s.AnswerSaid(prompt.Said{Text: "[[ ## score ## ]]\n" + text, Unread: func(why error) { told = why }})
		require.True(t, s.Done(), text)
		require.InDelta(t, want.score, s.Score(), 0, text)
		require.Equal(t, want.told, errors.Is(told, metric.ErrScore), "%s: %v", text, told)
	}
}
