package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/smallserver"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/video"
)

// TestCogniverseCallers makes the calls of Cogniverse's Python with other URLs only. Speech and
// meaning are real models; the describer decodes the pictures that it gets. It takes some seconds,
// because it starts these models and imports openai and dspy. client/gateway_tests makes the same
// calls with models that all compute.
func TestCogniverseCallers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	small, err := smallserver.Start(smallserver.Options{Folder: "../embedder", Log: filepath.Join(dir, "small.log")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, small.Stop()) })
	describer := vlmtest.Start(t)
	language := serves(t, func(w http.ResponseWriter, r *http.Request) {
		answer := answered
		switch r.URL.Path {
		case "/v1/completions":
			answer = `{"choices":[{"text":"Paris"}],"usage":` + usage + `}`
		case "/tokenize":
			answer = `{"count":3,"max_model_len":4096,"tokens":[1,2,3]}`
		}
		text(200, "application/json", answer)(w, r)
	})
	vectors := serves(t, func(w http.ResponseWriter, r *http.Request) {
		answer := `{"object":"list","model":"v","data":[{"object":"pooling","index":0,"data":[[1,0,0],[0,1,0]]}]}`
		switch {
		case r.URL.Path == "/v1/embeddings":
			answer = `{"embeddings":[[[1,0]]]}`
		case strings.HasPrefix(r.URL.Path, "/embed/"):
			answer = `{"vec":[1,0]}`
		}
		text(200, "application/json", answer)(w, r)
	})
	hosts := 0
	listener := func(name, model string) string {
		hosts++ // port 0 is that of one listener for each address
		return fmt.Sprintf(`%q:{"address":"127.0.0.%d:0","tenant":"acme","model":%q,"revision":"r1","max_model_len":4096}`, name, hosts, model)
	}
	endpoint := func(kind, url, model string) string {
		return fmt.Sprintf(`"%s-%s":{"kind":%q,"url":%q,"models":[%q]}`, kind, model[:1], kind, url, model)
	}
	const described, spoken = "Qwen/Qwen2-VL-7B-Instruct", "HuggingFaceTB/SmolLM3-3B"
	g := startBatchStack(t, `"gateway":{"listeners":{`+strings.Join([]string{
		listener("vlm", described), listener("llm", spoken), listener("pooling", "v"), listener("denseon", video.SmallMeaning), listener("asr", video.SmallSpeech),
	}, ",")+`}},"endpoints":{`+strings.Join([]string{
		endpoint("openai", describer.URL+"/v1", described), endpoint("openai", language.URL+"/v1", spoken), endpoint("pooling", vectors.URL, "v"),
		endpoint("embeddings", small.URL(), video.SmallMeaning), endpoint("transcriptions", small.URL(), video.SmallSpeech),
	}, ",")+`}`)
	at := map[string]string{}
	for _, name := range []string{"vlm", "llm", "pooling", "denseon", "asr"} {
		at[name] = g.url(t, name)
	}
	at["sidecars"] = at["pooling"]
	urls, err := json.Marshal(at)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "frame.jpg"), picture(t, 64, 48), 0o600))
	say := exec.CommandContext(t.Context(), "small/.venv/bin/python", "-m", "embedder.small.say", "The weather in the mountains is cold tonight.", filepath.Join(dir, "said.wav"))
	say.Dir, say.Env = "../embedder", append(os.Environ(), "PYTHONPATH=src")
	out, err := say.CombinedOutput()
	require.NoError(t, err, string(out))
	film := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:d=1", filepath.Join(dir, "clip.mp4"))
	out, err = film.CombinedOutput()
	require.NoError(t, err, string(out))
	goOpenAI(t, at["denseon"], at["asr"], filepath.Join(dir, "said.wav"))
	calls := exec.CommandContext(t.Context(), "../prompt/conformance/.venv/bin/python", "testdata/callers.py", string(urls), dir)
	var warnings bytes.Buffer
	calls.Stderr = &warnings
	calls.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "LITELLM_LOCAL_MODEL_COST_MAP=True", "DSPY_CACHEDIR="+dir)
	out, err = calls.Output()
	require.NoError(t, err, "%s%s", out, warnings.String())
	var got struct {
		VLM      map[string]string          `json:"vlm"`
		LLM      json.RawMessage            `json:"llm"`
		Pooling  map[string]json.RawMessage `json:"pooling"`
		Sidecars json.RawMessage            `json:"sidecars"`
		Meaning  [][]float64                `json:"meaning"`
		Speech   string                     `json:"speech"`
	}
	require.NoError(t, json.Unmarshal(out, &got), string(out))
	for _, said := range []string{"said", "one", "batch"} {
		require.Contains(t, got.VLM[said], "64 by 48", said)
	}
	require.JSONEq(t, `{"said":"hello","dspy":["hello"],"generated":"Paris","chat":"hello","tokens":3}`, string(got.LLM))
	for _, rows := range []string{"image", "text"} {
		require.JSONEq(t, `[[1,0,0],[0,1,0]]`, string(got.Pooling[rows]), rows)
	}
	require.JSONEq(t, `{"images":[[[1,0]]],"video":[1,0],"audio":[1,0],"text":[1,0]}`, string(got.Sidecars))
	require.Greater(t, dot(got.Meaning[0], got.Meaning[1]), dot(got.Meaning[0], got.Meaning[2])+0.1)
	require.Contains(t, strings.ToLower(got.Speech), "weather")
}

func dot(a, b []float64) (sum float64) {
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}
