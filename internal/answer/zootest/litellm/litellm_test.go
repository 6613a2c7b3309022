// Package litellm_test runs LiteLLM's real proxy between the language model adapter and the
// endpoint of zootest, with each behaviour. `make test-litellm` installs the proxy and runs it.
package litellm_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/zootest"
	"github.com/cogniverse/cogflow/internal/lm"
	"github.com/cogniverse/cogflow/internal/porttest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
)

const key = "sk-of-this-test"

// config has no retries and no cooldowns: one request of the test is one request to the endpoint.
// Only behaviours that never end need the model with a short timeout.
const config = `
model_list:
  - model_name: served
    litellm_params: {model: openai/served, api_base: %[1]s/v1, api_key: sk-none, max_retries: 0, timeout: 60}
  - model_name: impatient
    litellm_params: {model: openai/served, api_base: %[1]s/v1, api_key: sk-none, max_retries: 0, timeout: 3}
litellm_settings: {num_retries: 0, telemetry: false}
router_settings: {num_retries: 0, disable_cooldowns: true}
general_settings: {master_key: ` + key + `}
`

// proxy starts LiteLLM's proxy before an endpoint and returns its address.
func proxy(t *testing.T, endpoint string) string {
	t.Helper()
	program, err := filepath.Abs(".venv/bin/litellm")
	require.NoError(t, err)
	require.FileExists(t, program, "run `make test-litellm`, which installs the proxy")
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, config, endpoint), 0o600))
	port := porttest.Free(t)
	address := "127.0.0.1:" + port
	cmd := exec.CommandContext(t.Context(), program, "--config", file, "--host", "127.0.0.1", "--port", port)
	cmd.Env = append(os.Environ(), "LITELLM_LOCAL_MODEL_COST_MAP=True", "NO_DOCS=True", "LITELLM_LOG=ERROR")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Logf("%.4000s", log.String())
		}
	})
	require.Eventually(t, func() bool { return zootest.IsUp(t.Context(), "http://"+address+"/health/liveliness") }, 3*time.Minute, 100*time.Millisecond)
	return "http://" + address
}

// changed lists the behaviours whose outcome the proxy changes. It cannot read streams that were
// not requested, and hides the reason of an error that is not an object.
func changed() map[string]zootest.Outcome {
	out := map[string]zootest.Outcome{
		"mistral: content is a list with thoughts": zootest.Broken, "alibaba: the answer is in an envelope": zootest.Broken,
		"cdn: gzip, not said": zootest.Broken, "usage is absurd": zootest.Broken,
		"openrouter: finish_reason is error": zootest.Answered, "deepseek: no resources to go on": zootest.Answered,
		"gemini: context": zootest.Refused, "tgi: context": zootest.Refused, "lm studio: context": zootest.Refused, "deepseek: filter": zootest.Refused,
		"transformers: another model":                 zootest.Refused,
		"a gateway: only one temperature, as a cause": zootest.Refused,
		"cloudflare: a firewall refuses the text":     zootest.Denied,
		"gemini: the key, with status 400":            zootest.Refused, "gemini: the country": zootest.Refused,
		"tgi: max_new_tokens above the maximum of the model": zootest.Refused,
		"the address has moved":                              zootest.Broken,
	}
	for _, name := range []string{
		"a stream that nobody asked for", "a stream called JSON", "an answer with the end of a stream", "openrouter: comments", "comments before an answer",
		"vertex: comments as events", "copilot: empty events", "a stream without its mark of the end", "groq: usage of a stream in x_groq",
		"moonshot: usage of a stream in its choice", "ollama: lines of JSON", "ollama: its own protocol", "a stream without usage",
		"anthropic: its own protocol", "gemini: its own protocol", "gemini: a blocked prompt has no candidates",
	} {
		out[name] = zootest.Broken
	}
	return out
}

// TestBehindLiteLLM: behind the proxy every call ends, with the outcome of the behaviour or the
// changed one, and the provider's bill is booked.
func TestBehindLiteLLM(t *testing.T) {
	if os.Getenv("COGFLOW_LITELLM") == "" {
		t.Skip("run make test-litellm, which installs the proxy")
	}
	s := zootest.Start(t)
	base := proxy(t, s.URL) + "/v1"
	for i, b := range zootest.All() {
		m := lm.New(lm.Options{URL: base, Key: key, Timeout: 90 * time.Second, Prices: map[string]prompt.Price{"served": s.Price, "impatient": s.Price}})
		model := "served"
		if b.Endless {
			model = "impatient"
		}
		c := prompt.Completion{
			Model: model, Messages: []prompt.Message{{Role: prompt.User, Content: "What is it? " + zootest.Mark(i)}}, Temperature: new(0.7), MaxTokens: 100,
		}
		reserved, _ := m.Reserve(c)
		before := len(s.Requests())
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		said, err := m.Complete(ctx, c)
		require.NoError(t, ctx.Err(), b.Name)
		cancel()
		assert.Equal(t, cmp.Or(changed()[b.Name], b.Outcome), zootest.OutcomeOf(said, err), "%s: %+v %v", b.Name, said, err)
		charge := said.CostMicroUSD
		if err != nil {
			charge = money.ChargeOf(err, reserved)
		}
		var billed int64
		for _, r := range s.Requests()[before:] {
			billed += r.Billed
		}
		assert.GreaterOrEqual(t, charge, billed, "%s: %+v %v", b.Name, said, err)
	}
}
