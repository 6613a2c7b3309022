package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

const router = "../programs/agentic-router.json"

// The files are equal to the output of the generator.
func TestDataset(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, run([]string{"--out", dir}, nil))
	for _, s := range splits() {
		name := "routing-" + s.name + ".jsonl"
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("../data", name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run `go run ./examples/routing --out examples/data`")
		assert.Equal(t, s.rows, strings.Count(string(got), "\n"))
	}
}

// By the cues alone, about three rows in eight are wrong; by the rules, none.
func TestRulesDecide(t *testing.T) {
	t.Parallel()
	h, r, wrong := hidden(), python.NewRandom(1), 0
	const n = 2000
	for range n {
		q := h.draw(r)
		naive, told := rules{}.decide(q), h.decide(q)
		for _, field := range []string{byModality, byKind} {
			if naive[field] != told[field] {
				assert.Equal(t, h[q.subject], rule{field, told[field]})
				wrong++
			}
		}
	}
	assert.InDelta(t, 3.0/8, float64(wrong)/n, 0.03)
}

// Conversations are the router's own prompts with answers that it can parse. They contain
// no query of the dataset, and equal seeds give equal conversations.
func TestChats(t *testing.T) {
	t.Parallel()
	var out, again, other bytes.Buffer
	require.NoError(t, run([]string{"--program", router, "--chats", "200"}, &out))
	require.NoError(t, run([]string{"--program", router, "--chats", "200"}, &again))
	require.NoError(t, run([]string{"--program", router, "--chats", "200", "--seed", "2"}, &other))
	assert.Equal(t, out.String(), again.String())
	assert.NotEqual(t, out.String(), other.String())

	text, err := os.ReadFile(router)
	require.NoError(t, err)
	program, err := prompt.Read(text)
	require.NoError(t, err)
	_, held := dataset()
	require.Len(t, held, 340)
	demos := map[int]int{}
	for line := range strings.Lines(out.String()) {
		var row struct{ Messages []prompt.Message }
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		n := len(row.Messages)
		demos[n/2-1]++
		outputs, err := prompt.Parse(prompt.Chat, program.Predictors[0].Signature(), row.Messages[n-1].Content)
		require.NoError(t, err)
		assert.Equal(t, []string{"routing_decision"}, outputs.Keys())
		for _, m := range row.Messages {
			if m.Role == prompt.User {
				assert.False(t, held[asked(m.Content)], m.Content)
			}
		}
	}
	assert.Len(t, demos, mostDemos+1, "from none to the most")
}

// asked is the key of the query in a user's message.
func asked(message string) string {
	section := func(name string) string {
		_, after, _ := strings.Cut(message, "[[ ## "+name+" ## ]]\n")
		value, _, _ := strings.Cut(after, "\n\n")
		return strings.TrimSpace(value)
	}
	return query{history: section("conversation_history"), text: section("user_query")}.key()
}

func TestUsage(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, run(nil, nil), "give --out or --chats")
	require.ErrorContains(t, run([]string{"--chats", "1", "--program", "gone.json"}, nil), "gone.json")
}
