package ffmpeg

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// Ten thousand frames need no more memory than two thousand. It is not parallel
// to others, whose memory would be counted.
func TestMemoryIsFlat(t *testing.T) {
	path := clip(t, "many.mp4", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=50:d=200", "-c:v", "mpeg4", "-q:v", "10")
	var early, late uint64
	frames := 0
	out, err := tool(t).Extract(t.Context(), open(t, path), t.TempDir(), video.Sampling{FPS: 50, DedupDistance: keepAll},
		func(video.Picture) error {
			frames++
			if frames%1000 == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				if frames <= 2000 {
					early = max(early, m.HeapAlloc)
				}
				late = max(late, m.HeapAlloc)
			}
			return nil
		}, func(int64) {})
	require.NoError(t, err)
	require.Equal(t, 10_000, out.Frames)
	require.Equal(t, 10_000, frames)
	require.Less(t, float64(late), 1.2*float64(early)+1<<20)
}
