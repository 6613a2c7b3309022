package clips_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/video"
)

func probe(t *testing.T, path, entries, stream string) []string {
	t.Helper()
	args := []string{"-v", "error", "-show_entries", entries, "-of", "csv=p=0"}
	if stream != "" {
		args = append(args, "-select_streams", stream)
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", append(args, path)...).Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

func TestDemo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), `it's a "dir": with [odd], names`)
	paths, err := clips.Demo(t.Context(), "ffmpeg", dir)
	require.NoError(t, err)
	require.Len(t, paths, 3)
	for i, clip := range clips.Scripts() {
		require.Equal(t, clip.Name, filepath.Base(paths[i]))
		seconds, err := strconv.ParseFloat(probe(t, paths[i], "format=duration", "")[0], 64)
		require.NoError(t, err)
		require.InDelta(t, float64(clip.EndMS(len(clip.Scenes)-1))/1000, seconds, 0.3)
	}
	require.Len(t, probe(t, paths[0], "stream=codec_type", "a"), 1)
	require.Empty(t, probe(t, paths[2], "stream=codec_type", "a"))

	steps := map[int]int{} // frames by their rate
	last := -1.0
	for _, text := range probe(t, paths[2], "packet=dts_time", "v") {
		at, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		steps[int(math.Round(1/(at-last)))]++
		last = at
	}
	require.Greater(t, steps[5], 40, "frames at 5 per second: %v", steps)
	require.Greater(t, steps[30], 100, "frames at 30 per second: %v", steps)

	before, err := os.Stat(paths[0])
	require.NoError(t, err)
	_, err = clips.Demo(t.Context(), "ffmpeg", dir)
	require.NoError(t, err)
	after, err := os.Stat(paths[0])
	require.NoError(t, err)
	require.Equal(t, before.ModTime(), after.ModTime(), "a second run keeps the clips")
}

// The describer of the demo must read each card in the middle of its scene.
func TestDemoTextCanBeRead(t *testing.T) {
	t.Parallel()
	describer, err := preview.NewDescriber(t.Context(), preview.Options{})
	require.NoError(t, err)
	require.True(t, describer.ReadsText(), "tesseract is missing: run make tools")
	paths, err := clips.Demo(t.Context(), "ffmpeg", t.TempDir())
	require.NoError(t, err)
	for i, clip := range clips.Scripts() {
		for j, scene := range clip.Scenes {
			still, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error",
				"-ss", fmt.Sprintf("%dms", clip.StartMS(j)+2500), "-i", paths[i],
				"-frames:v", "1", "-q:v", "4", "-f", "mjpeg", "-").Output()
			require.NoError(t, err)
			caption, err := describer.Describe(t.Context(), video.DescribeRequest{JPEG: still})
			require.NoError(t, err)
			require.Contains(t, caption.OnScreenText, scene.Text)
		}
	}
}

func TestTinyFramesAllDiffer(t *testing.T) {
	t.Parallel()
	const frames = 300
	path, err := clips.Tiny(t.Context(), "ffmpeg", t.TempDir(), frames)
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", path,
		"-vf", "scale=9:8,format=gray", "-f", "rawvideo", "-").Output()
	require.NoError(t, err)
	const pixels = 9 * 8
	require.Len(t, out, frames*pixels)
	for i := pixels; i < len(out); i += pixels {
		require.Greater(t, distance(out[i-pixels:i], out[i:i+pixels]), 8, "frame %d", i/pixels)
	}
}

// distance is that of the difference hashes of two stills of 9 by 8 pixels.
func distance(a, b []byte) (bits int) {
	for i := range a {
		if i%9 < 8 && (a[i] < a[i+1]) != (b[i] < b[i+1]) {
			bits++
		}
	}
	return bits
}

func TestLibrary(t *testing.T) {
	t.Parallel()
	paths, err := clips.Library(t.Context(), "ffmpeg", t.TempDir(), 50)
	require.NoError(t, err)
	require.Len(t, paths, 50)
	sums := map[[32]byte]bool{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		sums[sha256.Sum256(content)] = true
	}
	require.Len(t, sums, 50)
	require.Len(t, probe(t, paths[49], "packet=pts_time", "v"), 2)
}

func TestFailureLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := clips.Demo(t.Context(), "no-such-ffmpeg", dir)
	require.Equal(t, fault.Input, fault.ClassOf(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = clips.Tiny(ctx, "ffmpeg", dir, 10)
	require.Error(t, err)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}
