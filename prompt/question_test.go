package prompt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

func TestFingerprint(t *testing.T) {
	t.Parallel()
	request := func(text string, format *prompt.Object) *prompt.Request {
		return &prompt.Request{Messages: []prompt.Message{{Role: prompt.User, Content: text}}, Format: format}
	}
	hot, cold, yes := 1.0, 0.0, true
	seen := map[string]bool{}
	for _, q := range []struct {
		r *prompt.Request
		s prompt.Sampling
	}{
		{request("q", nil), prompt.Sampling{Model: "m"}},
		{request("p", nil), prompt.Sampling{Model: "m"}},
		{request("q", python.NewObject("type", "json_object")), prompt.Sampling{Model: "m"}},
		{request("q", nil), prompt.Sampling{Model: "n"}},
		{request("q", nil), prompt.Sampling{Model: "m", Revision: "1"}},
		{request("q", nil), prompt.Sampling{Model: "m", Temperature: &hot}},
		{request("q", nil), prompt.Sampling{Model: "m", Temperature: &cold}},
		{request("q", nil), prompt.Sampling{Model: "m", MaxTokens: 5}},
		{request("q", nil), prompt.Sampling{Model: "m", Thinking: &yes}},
		{request("q", nil), prompt.Sampling{Model: "m", Rollout: 7}},
	} {
		name, err := q.r.Fingerprint(q.s)
		require.NoError(t, err)
		require.Len(t, name, 64)
		require.False(t, seen[name])
		seen[name] = true
	}
	name, err := request("q", nil).Fingerprint(prompt.Sampling{Model: "m"})
	require.NoError(t, err)
	require.Equal(t, "417e02825f126069b8e615509a537240f886dcf5a7eb02ad1df6c3a03dfd17aa", name, "stored answers are found by it: it never changes")
}
