package smallserver_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/asr"
	"github.com/cogniverse/cogflow/internal/embed"
	"github.com/cogniverse/cogflow/internal/smallserver"
	"github.com/cogniverse/cogflow/video"
)

const folder = "../../embedder"

// TestServer: the adapters get real words and real meaning from the models, also after the
// process was killed, at the same address.
func TestServer(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "small.log")
	s, err := smallserver.Start(smallserver.Options{Folder: folder, Log: log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	p := video.LocalSmall()

	speech := asr.New(asr.Options{URL: s.URL()})
	require.NoError(t, speech.Check(t.Context(), []string{p.Transcribe.Model}))
	sound := filepath.Join(t.TempDir(), "said.wav")
	python(t, "-m", "embedder.small.say", "The weather in the mountains is cold tonight.", sound)
	flac := filepath.Join(t.TempDir(), "said.flac")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", sound, "-ar", "16000", flac).CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(flac)
	require.NoError(t, err)
	said, err := speech.Transcribe(t.Context(), video.TranscribeRequest{Stage: p.Transcribe, FLAC: data})
	require.NoError(t, err)
	require.NotEmpty(t, said.Segments)
	require.Contains(t, strings.ToLower(said.Segments[0].Text), "weather")
	require.Equal(t, "en", said.Language)

	kill(t, log)

	texts := embed.NewTexts(embed.Options{URL: s.URL()})
	require.NoError(t, texts.Check(t.Context(), p.Embed))
	found, err := texts.EmbedTexts(t.Context(), video.TextRequest{Stage: p.Embed, Texts: []string{
		"it is chilly up in the hills", "The weather in the mountains is cold tonight.", "Our train leaves at eleven.",
	}})
	require.NoError(t, err)
	require.Greater(t, dot(found[0], found[1]), dot(found[0], found[2])+0.2)
}

func python(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "small/.venv/bin/python", args...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "PYTHONPATH=src")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "run make small: %s", out)
}

// kill kills the server's process, which its log names.
func kill(t *testing.T, log string) {
	t.Helper()
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "Started server process [")
	require.True(t, ok, string(text))
	number, _, _ := strings.Cut(rest, "]")
	pid, err := strconv.Atoi(number)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

func dot(a, b video.Embedding) (sum float32) {
	for i := range a.Floats {
		sum += a.Floats[i] * b.Floats[i]
	}
	return sum
}
