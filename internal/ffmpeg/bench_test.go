package ffmpeg

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// minute is a 60 s clip of 1280×720 with sound and a key frame every 2 seconds.
func minute(b *testing.B) string {
	b.Helper()
	return clip(b, "minute.mp4", "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=60",
		"-f", "lavfi", "-i", "sine=440:d=60", "-c:v", "libx264", "-preset", "veryfast", "-g", "60",
		"-keyint_min", "60", "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-c:a", "aac")
}

func run(b *testing.B, path string, s video.Sampling) time.Duration {
	b.Helper()
	dir, file, t := b.TempDir(), open(b, path), tool(b)
	_, err := t.Probe(b.Context(), file) // a stage of its own, before extraction
	require.NoError(b, err)
	start := time.Now()
	out, err := t.Extract(b.Context(), file, dir, s,
		func(video.Picture) error { return nil }, func(int64) {})
	require.NoError(b, err)
	took := time.Since(start)
	require.GreaterOrEqual(b, out.Frames, 29)
	return took
}

// BenchmarkFPS compares extraction of frames, thumbnail and sound with a bare
// decode of picture and sound: x_bare 1 is as fast.
func BenchmarkFPS(b *testing.B) {
	path := minute(b)
	var ours, bare time.Duration
	for b.Loop() {
		start := time.Now()
		require.NoError(b, exec.CommandContext(b.Context(), "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-f", "null", "-").Run())
		bare += time.Since(start)
		ours += run(b, path, video.Sampling{FPS: 1, DedupDistance: keepAll})
	}
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "x_bare")
}

// BenchmarkKeyframes compares with extraction at a fixed rate.
func BenchmarkKeyframes(b *testing.B) {
	path := minute(b)
	var keys, fixed time.Duration
	for b.Loop() {
		keys += run(b, path, video.Sampling{Strategy: video.Keyframes, DedupDistance: keepAll})
		fixed += run(b, path, video.Sampling{FPS: 1, DedupDistance: keepAll})
	}
	b.ReportMetric(fixed.Seconds()/keys.Seconds(), "x_fps")
}
