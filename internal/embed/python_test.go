package embed_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"image"
	"image/jpeg"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/embed"
	"github.com/cogniverse/cogflow/internal/porttest"
	"github.com/cogniverse/cogflow/video"
)

// python is the interpreter of the embedder's environment.
func python(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../embedder/.venv/bin/python")
	require.NoError(t, err)
	require.FileExists(t, path, "run `make test-python`, which makes the Python environment")
	return path
}

// TestPythonEmbedder talks to the real server with a tiny random ColIdefics3:
// its vectors, packed here, are what numpy's packbits makes of them.
func TestPythonEmbedder(t *testing.T) {
	t.Parallel()
	interpreter, dir := python(t), t.TempDir()
	build := exec.CommandContext(t.Context(), interpreter, "-c", "import sys; from conftest import build; build(sys.argv[1])", dir)
	build.Dir = "../../embedder/tests"
	build.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "PYTHONPATH=../src", "PYTHONDONTWRITEBYTECODE=1")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	port := porttest.Free(t)
	server := exec.CommandContext(t.Context(), interpreter, "-m", "embedder",
		"--model", dir, "--revision", "1", "--merged", "--name", "tiny", "--port", port)
	server.Env = build.Env
	server.Dir = build.Dir
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	require.NoError(t, server.Start())
	ended := make(chan struct{})
	go func() { _ = server.Wait(); close(ended) }() // it is killed when the test's context ends
	t.Cleanup(func() { <-ended })
	url := "http://127.0.0.1:" + port
	answers := func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/health", nil)
		if err != nil {
			return false
		}
		response, err := http.DefaultClient.Do(request)
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}
	for !answers() { // importing torch takes as long as it takes on a busy machine
		select {
		case <-ended:
			require.Fail(t, "the server ended", log.String())
		case <-time.After(100 * time.Millisecond):
		}
	}

	var picture bytes.Buffer
	require.NoError(t, jpeg.Encode(&picture, image.NewGray(image.Rect(0, 0, 128, 64)), nil))
	client := embed.NewPooling(embed.Options{URL: url, NoCanary: true}) // random weights mean nothing
	stage := video.Stage{Model: "tiny", Multi: true, Dim: 128}
	segment, err := client.EmbedPictures(t.Context(), video.PictureRequest{Stage: stage, JPEGs: [][]byte{picture.Bytes(), picture.Bytes()}})
	require.NoError(t, err)
	texts, err := client.EmbedTexts(t.Context(), video.TextRequest{Stage: stage, Query: true, Texts: []string{"red", "a blue sky"}})
	require.NoError(t, err)
	for _, e := range append(texts, segment) {
		require.Greater(t, e.Rows, 1)
		numbers, err := json.Marshal(e.Floats)
		require.NoError(t, err)
		pack := exec.CommandContext(t.Context(), interpreter, "-c",
			"import json, sys, numpy; print(numpy.packbits(numpy.array(json.load(sys.stdin)) > 0).tobytes().hex(), end='')")
		pack.Stdin = bytes.NewReader(numbers)
		want, err := pack.Output()
		require.NoError(t, err)
		require.Equal(t, string(want), hex.EncodeToString(e.Binary().Bits))
	}
}
