package clips_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/clips"
)

func TestSpoken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sound := filepath.Join(dir, "a.wav")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=1", sound).CombinedOutput()
	require.NoError(t, err, string(out))
	clip := filepath.Join(dir, "clips", "spoken.mp4")
	require.NoError(t, clips.Spoken(t.Context(), "ffmpeg", clip, 7, []string{sound, sound}))
	for stream, want := range map[string]float64{"v": 7, "a": 2 + 2*clips.PauseMS/1000} {
		seconds, err := strconv.ParseFloat(probe(t, clip, "stream=duration", stream)[0], 64)
		require.NoError(t, err)
		require.InDelta(t, want, seconds, 0.3)
	}
}
