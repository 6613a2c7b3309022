package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/internal/porttest"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// onDemand configures a server from the embedder's environment, which the worker starts on a free
// port.
func onDemand(t *testing.T, program string, args ...string) (address string, server map[string]any) {
	t.Helper()
	host, port := "127.0.0.1", porttest.Free(t)
	address = net.JoinHostPort(host, port)
	source, err := filepath.Abs("../embedder/src")
	require.NoError(t, err)
	return address, map[string]any{
		"command":           append([]string{inVenv(t, program)}, append(args, "--host", host, "--port", port)...),
		"env":               map[string]string{"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": source},
		"ready":             "http://" + address + "/health",
		"scaledown_seconds": 10,
	}
}

// pythonServer starts a server from the embedder's environment and waits until it answers.
func pythonServer(t *testing.T, program, health string, args ...string) (url string) {
	t.Helper()
	port := porttest.Free(t)
	server := exec.CommandContext(t.Context(), inVenv(t, program), append(args, "--host", "127.0.0.1", "--port", port)...)
	server.Env = pythonEnv()
	server.SysProcAttr = child.Attributes(syscall.SIGTERM)
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	done := make(chan struct{})
	started := make(chan error)
	var ended error
	go func() {
		defer close(done)
		ended = child.OnOneThread(func() error {
			err := server.Start()
			started <- err
			if err != nil {
				return err
			}
			return server.Wait()
		})
	}()
	require.NoError(t, <-started)
	t.Cleanup(func() { // the test's context has ended, which kills the server
		<-done
		t.Log(program, "ended: ", ended)
	})
	url = "http://127.0.0.1:" + port
	require.Eventually(t, func() bool {
		select {
		case <-done:
			return true
		default:
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+health, nil)
		if err != nil {
			return false
		}
		answer, err := http.DefaultClient.Do(r)
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, soon, 200*time.Millisecond, "%s did not answer", program)
	select {
	case <-done:
		require.NoError(t, ended, log.String())
	default:
	}
	return url
}

func inVenv(t *testing.T, program string) string {
	t.Helper()
	path, err := filepath.Abs("../embedder/.venv/bin/" + program)
	require.NoError(t, err)
	require.FileExists(t, path, "run `make test-python`, which creates the Python environment")
	return path
}

func pythonEnv() []string {
	return append(os.Environ(), "OMP_NUM_THREADS=1", "HF_HUB_OFFLINE=1", "CUDA_VISIBLE_DEVICES=", "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=../embedder/src:../embedder/tests")
}

// python runs a script in the environment.
func python(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), inVenv(t, "python"), args...)
	cmd.Env = pythonEnv()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// TestRealModels ingests clips, real ones if available, with tiny real models with random
// weights: a Qwen2-VL behind `transformers serve`, and a ColIdefics3 behind the embedder. The
// worker starts both when it needs them, and stops them when they are idle. The store is a real
// S3 server, and the index is a fake Vespa server.
func TestRealModels(t *testing.T) {
	t.Parallel()
	clips, videos := colourClip(t), 1
	if _, err := os.Stat(realMedia); err == nil {
		here, err := os.Getwd()
		require.NoError(t, err)
		clips, videos = here+"/"+realMedia, 4
	}
	dir := t.TempDir()
	describer, embedder := filepath.Join(dir, "vlm"), filepath.Join(dir, "embedder")
	python(t, "../embedder/tests/tiny_vlm.py", describer)
	python(t, "-c", "import sys; from conftest import build; build(sys.argv[1])", embedder)
	vlm, vlmServer := onDemand(t, "transformers", "serve", "--device", "cpu", describer)
	vlmServer["unlisted_models"] = true // it lists a cache of downloads
	vectors, vectorServer := onDemand(t, "python", "-m", "embedder", "--model", embedder, "--revision", "1", "--merged", "--name", "tiny/colidefics3")
	vespa, at := vespatest.Start(t)
	store, storeEnv := s3test.Start(t)

	s := newStack(t, nil)
	file := filepath.Join(s.dir, "config.json")
	text, err := json.Marshal(map[string]any{
		"backend": map[string]any{"type": "vespa", "url": at},
		"cogflow": map[string]any{
			"store": store, "active_profile": "tiny", "vespa": map[string]any{"config_url": at},
			"servers": map[string]any{"vlm": vlmServer, "vectors": vectorServer},
			"endpoints": map[string]any{
				"vlm":      map[string]any{"kind": "openai", "url": "http://" + vlm + "/v1", "models": []string{describer}, "server": "vlm"},
				"embedder": map[string]any{"kind": "pooling", "url": "http://" + vectors, "models": []string{"tiny/colidefics3"}, "no_canary": true, "server": "vectors"},
			},
			"profiles": map[string]any{"tiny": map[string]any{
				"sampling": map[string]any{"strategy": "scene", "max_gap_ms": 4000, "max_frames": 6},
				"describe": map[string]any{"model": describer, "revision": "1", "max_tokens": 12, "max_pixels": 12544},
				"embed":    map[string]any{"model": "tiny/colidefics3", "revision": "1", "of": "frame", "multi": true, "dim": 128, "keep": "bfloat16"},
			}},
		},
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	s.env = append(append(s.env, storeEnv...), "COGNIVERSE_CONFIG="+file, "COGFLOW_INDEX=", "COGFLOW_STORE="+store)
	(&services{vespa: vespa, at: at}).deploy(t, file)
	s.worker(nil)
	run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("real"), "IngestLibrary", ingest.LibraryInput{Source: clips})
	require.NoError(t, err)
	out := await[ingest.LibraryResult](s, run, 8*time.Minute)
	require.Empty(t, out.Failures)
	require.Equal(t, videos, out.Indexed)
	require.Equal(t, out.Documents, vespa.Documents("tiny_default"))
	found, err := execute[ingest.SearchResult](s, "search", "SearchVideos", ingest.SearchInput{Query: "a red tram", Rank: "binary_binary", Limit: 100})
	require.NoError(t, err)
	require.Len(t, found.Hits, out.Documents, "every document has a binary vector")
	for _, h := range found.Hits {
		require.NotEmpty(t, h.Caption)
	}
	again, err := execute[ingest.LibraryResult](s, "again", "IngestLibrary", ingest.LibraryInput{Source: clips, Force: true})
	require.NoError(t, err)
	require.Equal(t, videos, again.Indexed)
	require.Equal(t, out.Documents, vespa.Documents("tiny_default"))
	for _, address := range []string{vlm, vectors} {
		require.Eventually(t, func() bool {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
			return err != nil || conn.Close() != nil
		}, soon, 100*time.Millisecond, "an idle server runs on")
	}
}
