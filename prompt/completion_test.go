package prompt

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/python"
)

func question() Completion {
	return Completion{
		Model: "m", Messages: []Message{{Role: System, Content: "Be <brief> & “exact”."}, {Role: User, Content: "2+2?"}}, MaxTokens: 1000, Temperature: new(0.7),
	}
}

// TestCompletionFingerprint: it covers everything that determines the answer, and is the same in
// every release.
func TestCompletionFingerprint(t *testing.T) {
	t.Parallel()
	yes, seed := true, int64(0)
	seen := map[string]string{}
	for name, change := range map[string]func(*Completion){
		"plain":       func(*Completion) {},
		"model":       func(c *Completion) { c.Model = "n" },
		"revision":    func(c *Completion) { c.Revision = "1" },
		"role":        func(c *Completion) { c.Messages[0].Role = User },
		"text":        func(c *Completion) { c.Messages[1].Content += " " },
		"turns":       func(c *Completion) { c.Messages = c.Messages[1:] },
		"tokens":      func(c *Completion) { c.MaxTokens = 0 },
		"temperature": func(c *Completion) { c.Temperature = new(0.0) },
		"no heat":     func(c *Completion) { c.Temperature = nil },
		"rollout":     func(c *Completion) { c.Rollout = 1 },
		"seed":        func(c *Completion) { c.Seed = &seed },
		"thinking":    func(c *Completion) { c.Thinking = &yes },
		"stop":        func(c *Completion) { c.Stop = []string{"\n"} },
		"format":      func(c *Completion) { c.Format = python.NewObject("type", "json_object") },
		"order":       func(c *Completion) { c.Format = python.NewObject("a", int64(1), "b", int64(2)) },
		"other order": func(c *Completion) { c.Format = python.NewObject("b", int64(2), "a", int64(1)) },
	} {
		c := question()
		change(&c)
		require.NoError(t, c.Check(), name)
		fingerprint := string(c.Fingerprint())
		require.Len(t, fingerprint, 64, name)
		require.Empty(t, seen[fingerprint], "%s is as %s", name, seen[fingerprint])
		seen[fingerprint] = name

		text, err := json.Marshal(c)
		require.NoError(t, err)
		var again Completion
		require.NoError(t, json.Unmarshal(text, &again))
		assert.Equal(t, fingerprint, string(again.Fingerprint()), "%s, through JSON", name)
	}
	for want, c := range map[string]Completion{ // stored answers are found by them: they never change
		"417e02825f126069b8e615509a537240f886dcf5a7eb02ad1df6c3a03dfd17aa": {Model: "m", Messages: []Message{{Role: User, Content: "q"}}},
		"047cf6d66c8baed906896836f4cac52180bd40d2d2f3448b7937351f529a7929": {
			Model: "m", Revision: "r", Messages: question().Messages, Format: python.NewObject("type", "json_object"), MaxTokens: 1000,
			Temperature: new(0.7), Seed: &seed, Thinking: &yes, Stop: []string{"\n"}, Rollout: 7,
		},
	} {
		assert.Equal(t, want, string(c.Fingerprint()))
	}
}

func TestCompletionCheck(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Completion){
		"no model is named":                       func(c *Completion) { c.Model = "" },
		"the request has no messages":             func(c *Completion) { c.Messages = nil },
		"max_tokens must not be negative, got -1": func(c *Completion) { c.MaxTokens = -1 },
		"temperature 3 is not from":               func(c *Completion) { c.Temperature = new(3.0) },
		"temperature NaN is not from":             func(c *Completion) { c.Temperature = new(math.NaN()) },
		"unsupported value":                       func(c *Completion) { c.Format = python.NewObject("x", math.Inf(1)) },
	} {
		c := question()
		change(&c)
		err := c.Check()
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
}

func TestModelCompletion(t *testing.T) {
	t.Parallel()
	no := false
	m := Model{Name: "m", Revision: "r", Temperature: new(0.1), MaxTokens: 1000, Thinking: &no}
	r := Request{Messages: question().Messages, Format: python.NewObject("type", "json_object")}
	assert.Equal(t, Completion{
		Model: "m", Revision: "r", Messages: r.Messages, Format: r.Format, MaxTokens: 1000, Temperature: new(0.1), Thinking: &no, Rollout: 7,
	}, m.Completion(r, nil, 7), "a rollout alone is not sent")
	assert.InDelta(t, 1, *m.Completion(r, new(1.0), 7).Temperature, 0)
	m.Seeded = true
	assert.EqualValues(t, 7, *m.Completion(r, nil, 7).Seed)
}

func TestPrice(t *testing.T) {
	t.Parallel()
	assert.EqualValues(t, 301, Price{Input: 0.5, Output: 5.001}.Cost(400, 20), "rounded up")
	assert.EqualValues(t, 0, Price{}.Cost(400, 20))
	assert.Greater(t, Tokens(question().Messages), 30)
}
