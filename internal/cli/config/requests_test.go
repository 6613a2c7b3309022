package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/config"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/internal/limit/memory"
	"github.com/cogniverse/cogflow/video"
)

// TestRequests: show lists what is sent to each model, what is not and why, and forget makes
// workers send it again.
func TestRequests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, store := filepath.Join(dir, "c.json"), filepath.Join(dir, "store")
	const url = "http://127.0.0.1:9/v1"
	require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf(`{"cogflow":{"store":"file://%s",
		"endpoints":{
			"main":{"kind":"openai","url":"%s/","models":["m","n"],"response_format":"schema"},
			"texts":{"kind":"embeddings","url":"%s","models":["e"],"encoding_format":null},
			"sound":{"kind":"transcriptions","url":"%s","models":["s"]}},
		"optimize":{"student":{"model":"m","temperature":null,"seeded":true},"proposer":"n"},
		"profiles":{"p":{"describe":{"model":"m","structured":true},"embed":{"model":"e","dim":8},"transcribe":{"model":"s"}}}}}`, store, url, url, url)), 0o600))
	run := func(args ...string) (int, string) {
		var out clitest.Output
		getenv := func(name string) string { return map[string]string{"COGNIVERSE_CONFIG": file}[name] }
		code := root.Run(t.Context(), cli.Process{Args: args, Getenv: getenv, In: strings.NewReader(""), Out: &out, Err: &clitest.Output{}})
		return code, out.String()
	}
	show := func() map[string]config.ModelRequests {
		code, out := run("config", "show", "--json")
		require.Equal(t, cli.ExitDone, code)
		shown := clitest.Decode[config.Shown](t, out)
		require.Empty(t, shown.RequestsError)
		all := map[string]config.ModelRequests{}
		for _, r := range shown.Requests {
			all[r.Model] = r
		}
		return all
	}
	before := show()
	require.NoDirExists(t, store, "show makes no store")
	require.Equal(t, map[string]any{"max_tokens": 1000.0, "seed": "number of the rollout", "response_format": "json_schema"}, before["m"].Uses[0].Sent)
	require.Equal(t, map[string]string{"temperature": "null in the configuration"}, before["m"].Uses[0].NotSent)
	require.Equal(t, "profile p, describe", before["m"].Uses[3].Use)
	require.Equal(t, map[string]any{"max_tokens": float64(video.DescribeMaxTokens), "temperature": 0.0, "response_format": "json_schema"}, before["m"].Uses[3].Sent)
	require.Equal(t, "proposer", before["n"].Uses[0].Use)
	require.Equal(t, "init_temperature of the job, 1 by default", before["n"].Uses[0].Sent["temperature"])
	require.Equal(t, map[string]string{"encoding_format": "null in the configuration"}, before["e"].Uses[0].NotSent)
	require.Equal(t, map[string]any{"response_format": "verbose_json"}, before["s"].Uses[0].Sent)

	learn(t, store, url, params.Temperature, params.JSONSchema, params.MaxTokens)
	after := show()
	require.Len(t, after["m"].Refused, 3)
	require.Equal(t, "temperature", after["m"].Refused[2].Parameter)
	require.Equal(t, "status 400: temperature is not supported", after["m"].Refused[2].Message)
	require.False(t, after["m"].Refused[2].Since.IsZero())
	require.Equal(t, map[string]any{"max_completion_tokens": float64(video.DescribeMaxTokens), "response_format": "json_object"}, after["m"].Uses[3].Sent)
	require.Equal(t, map[string]string{"temperature": "refused by the model", "max_tokens": "refused by the model", "json_schema": "refused by the model"}, after["m"].Uses[3].NotSent)
	require.Empty(t, after["n"].Refused)

	remember(t, store, "http://127.0.0.1:9 ", "m", "n")
	require.Equal(t, 80, show()["m"].Limit.Calls)
	require.Equal(t, 2, show()["m"].Limit.Processes)
	require.WithinDuration(t, time.Now().Add(7*24*time.Hour), show()["m"].Limit.Expires, time.Hour)
	require.Nil(t, show()["e"].Limit)

	code, _ := run("config", "forget")
	require.Equal(t, cli.ExitUsage, code)
	code, out := run("config", "forget", "--model", "m", "--parameter", "temperature")
	require.Equal(t, cli.ExitDone, code)
	require.Equal(t, "main, m: temperature is sent again\n", out)
	require.Len(t, show()["m"].Refused, 2)
	_, out = run("config", "forget", "--model", "n")
	require.Equal(t, "main, n: the limit of 40 calls is discovered again\n", out)
	code, out = run("config", "forget", "--all", "--json")
	require.Equal(t, cli.ExitDone, code)
	require.Len(t, clitest.Decode[config.Forgotten](t, out).Forgotten, 2)
	require.Len(t, clitest.Decode[config.Forgotten](t, out).Limits, 1)
	_, out = run("config", "forget", "--all")
	require.Equal(t, "Nothing to forget.\n", out)
	require.Equal(t, before, show())
}

// learn stores what a worker learns of model m.
func learn(t *testing.T, dir, url string, refused ...params.Set) {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+dir)
	require.NoError(t, err)
	e := params.NewEndpoint("main", url, 0, &params.Memory{Store: store})
	for _, p := range refused {
		_, err = params.Ask(t.Context(), e, "m", func(without params.Set) (string, params.Set, error) {
			if without.Has(p) {
				return "", 0, nil
			}
			name := p.Names()[0]
			if p == params.MaxTokens {
				name = "max_completion_tokens instead; max_tokens"
			}
			return "", p, fault.New(fault.Input, "ask", "", "status 400: "+name+" is not supported")
		})
		require.NoError(t, err)
	}
}

// remember stores what a worker learns of a server.
func remember(t *testing.T, dir, server string, models ...string) {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+dir)
	require.NoError(t, err)
	for _, m := range models {
		text, err := json.Marshal(memory.Record{
			Endpoint: "main", Model: m, Process: "p", Limit: 40, Processes: 2, Latency: 1.5, Since: time.Now(), Last: time.Now(),
		})
		require.NoError(t, err)
		_, err = store.Put(t.Context(), memory.Prefix(server, m)+"p.json", bytes.NewReader(text))
		require.NoError(t, err)
	}
}
