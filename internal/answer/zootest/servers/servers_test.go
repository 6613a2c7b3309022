// Package servers_test asks real model servers on the CPU: vLLM, `transformers serve` and llama.cpp's
// server, with a tiny model of random weights. `make test-servers` installs and runs them.
package servers_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/zootest"
	"github.com/cogniverse/cogflow/internal/lm"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/video"
)

// server is a real server and how it differs from the others.
type server struct {
	name    string
	command []string // MODELS is the folder of the models
	model   string   // its name at the server

	lists   bool            // it lists its model
	renames bool            // it supports max_completion_tokens
	schemas bool            // it keeps to a JSON schema
	long    zootest.Outcome // of a prompt that is longer than the context; "" = it has no limit
	unknown zootest.Outcome // of a model that it does not have
	picture zootest.Outcome // of a picture, for which the model is not made
}

func servers() []server {
	return []server{
		{
			name: "vllm", model: "served",
			command: []string{
				"python", "-m", "vllm.entrypoints.openai.api_server", "--model", "MODELS/model", "--served-model-name", "served",
				"--host", "127.0.0.1", "--port", "PORT", "--max-model-len", "512", "--enforce-eager", "--dtype", "float32",
			},
			lists: true, renames: true, schemas: true, long: zootest.TooLong, unknown: zootest.NotServed, picture: zootest.Refused,
		},
		{
			name: "llama.cpp", model: "served",
			command: []string{
				"llama-server-vulkan", "-m", "MODELS/model.gguf", "--alias", "served", "--device", "none", "-c", "512", "--parallel", "1",
				"--host", "127.0.0.1", "--port", "PORT", "--no-ui", "--offline",
			},
			lists: true, renames: true, schemas: true, long: zootest.TooLong, unknown: zootest.Answered, picture: zootest.Refused,
		},
		{
			name: "transformers", model: "MODELS/model",
			command: []string{
				"python", "-m", "transformers.cli.transformers", "serve", "MODELS/model", "--device", "cpu",
				"--host", "127.0.0.1", "--port", "PORT",
			},
			unknown: zootest.NotServed, picture: zootest.Answered,
		},
	}
}

// TestServers asks each server as student, as judge and for captions.
func TestServers(t *testing.T) {
	t.Parallel()
	if os.Getenv("COGFLOW_SERVERS") == "" {
		t.Skip("run make test-servers, which installs the servers")
	}
	dir := models(t)
	for _, s := range servers() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			within := func(text string) string { return strings.ReplaceAll(text, "MODELS", dir) }
			for i, word := range s.command {
				s.command[i] = within(word)
			}
			a := asked{server: s, url: run(t, s.command), names: map[string]string{"served": within(s.model)}}
			a.student(t)
			a.format(t)
			a.tooLong(t)
			a.unknownModel(t)
			a.picture(t)
		})
	}
}

// asked is a running server.
type asked struct {
	server
	url   string
	names map[string]string
}

var price = money.Price{Input: 1, Output: 10}

func (a asked) lm(o lm.Options) *lm.LM {
	o.URL, o.Names, o.Timeout, o.Prices = a.url, a.names, 2*time.Minute, map[string]prompt.Price{"served": price}
	return lm.New(o)
}

func question(text string) prompt.Completion {
	return prompt.Completion{
		Model: "served", Messages: []prompt.Message{{Role: prompt.System, Content: "Answer."}, {Role: prompt.User, Content: text}}, MaxTokens: 8,
	}
}

// student: sampling parameters are supported, the text is cut at max_tokens, and the bill is exact.
func (a asked) student(t *testing.T) {
	t.Helper()
	options := []lm.Options{{}}
	if a.renames {
		options = append(options, lm.Options{MaxCompletionTokens: true})
	}
	for _, o := range options {
		m := a.lm(o)
		if a.lists {
			require.NoError(t, m.Check(t.Context(), []string{"served"}))
		}
		c := question("What is it?")
		c.Temperature, c.Seed, c.Thinking, c.Stop = new(0.7), new(int64(1)), new(false), []string{"nobody writes this"}
		said, err := m.Complete(t.Context(), c)
		require.NoError(t, err)
		if said.CompletionTokens == 8 {
			require.Equal(t, prompt.FinishLength, said.Finish)
		} else {
			require.Equal(t, prompt.FinishStop, said.Finish) // the model wrote its end before
		}
		require.Positive(t, said.PromptTokens)
		require.LessOrEqual(t, said.CompletionTokens, 8)
		require.False(t, said.Estimated)
		require.Equal(t, price.Cost(said.PromptTokens, said.CompletionTokens), said.CostMicroUSD)
	}
}

// format: a schema that the server's grammar lacks is replaced, and the next one is not.
func (a asked) format(t *testing.T) {
	t.Helper()
	m := a.lm(lm.Options{})
	ask := func(schema string) prompt.CompletionAnswer {
		v, err := python.Decode(`{"type": "json_schema", "json_schema": {"name": "o", "strict": true, "schema": ` + schema + `}}`)
		require.NoError(t, err)
		c := question("Which?")
		c.Temperature, c.MaxTokens, c.Format = new(0.0), 60, v.(*python.Object)
		said, err := m.Complete(t.Context(), c)
		require.NoError(t, err, schema)
		require.Contains(t, []string{prompt.FinishStop, prompt.FinishLength}, said.Finish, schema)
		return said
	}
	ask(`{"type": "object", "properties": {"a": {"type": "array", "uniqueItems": true, "items": {"type": "string", "pattern": "x"}}}}`)
	ask(`{"type": "object", "properties": {"a": {"$ref": "#/$defs/Missing"}}}`)
	said := ask(`{"$defs": {"K": {"enum": ["x", "y"], "type": "string"}}, "type": "object", "additionalProperties": false, "required": ["a"],
		"properties": {"a": {"$ref": "#/$defs/K", "description": "which one"}}}`)
	if a.schemas {
		require.Regexp(t, `^\s*{\s*("a"\s*(:\s*("[xy]?"?)?)?)?\s*}?\s*$`, said.Text) // the end may be cut
	}
	c := question("Which?")
	c.Temperature, c.Format = new(0.0), python.NewObject("type", "json_object")
	_, err := m.Complete(t.Context(), c)
	require.NoError(t, err)
}

// tooLong: a prompt that does not fit costs nothing, and the server's words are understood.
func (a asked) tooLong(t *testing.T) {
	t.Helper()
	if a.long == "" {
		return
	}
	for _, times := range []int{100, 3000} {
		c := question(strings.Repeat("dog and cat. ", times))
		said, err := a.lm(lm.Options{}).Complete(t.Context(), c)
		require.Equal(t, a.long, zootest.OutcomeOf(said, err), "%v", err)
		require.Zero(t, money.ChargeOf(err, 1_000_000))
	}
}

func (a asked) unknownModel(t *testing.T) {
	t.Helper()
	c := question("What is it?")
	c.Model = "another"
	said, err := a.lm(lm.Options{}).Complete(t.Context(), c)
	require.Equal(t, a.unknown, zootest.OutcomeOf(said, err), "%v", err)
}

// picture: a picture for a model of texts is no failure of the server, which would be repeated.
func (a asked) picture(t *testing.T) {
	t.Helper()
	d := vlm.NewOpenAI(vlm.Options{URL: a.url, Timeout: time.Minute, Prices: map[string]money.Price{a.names["served"]: price}})
	_, err := d.Describe(t.Context(), video.DescribeRequest{
		Stage: video.Stage{Model: a.names["served"], Prompt: "What is there?", MaxTokens: 8}, JPEG: vlmtest.Picture(t, 1),
	})
	if a.server.picture == zootest.Refused {
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
		require.NotErrorIs(t, err, fault.ErrNotServed)
	}
}
