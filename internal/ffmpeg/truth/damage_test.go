package truth_test

import (
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// TestDamagedPicturesAreNotIndexed: bytes in the middle of a clip are damaged. What is kept
// looks as it does without the damage, also where it is predicted from a damaged picture;
// what is left out is reported.
func TestDamagedPicturesAreNotIndexed(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string][]string{
		"h264.mp4": {"-c:v", "libx264", "-bf", "2"}, "mpeg4.mp4": {"-c:v", "mpeg4", "-bf", "2"}, "mpeg2.ts": {"-c:v", "mpeg2video", "-bf", "2"},
		"h264.mov": {"-c:v", "libx264", "-bf", "0"}, "mjpeg.mov": {"-c:v", "mjpeg"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := clip(t, name, append([]string{"-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=6", "-g", "25", "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-movflags", "faststart"}, codec...)...)
			raw, err := os.ReadFile(good)
			require.NoError(t, err)
			for i := len(raw) / 2; i < len(raw)/2+300; i++ {
				raw[i] ^= 0x5A
			}
			bad := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.WriteFile(bad, raw, 0o600))
			whole := extract(t, good, video.Sampling{FPS: 1000, DedupDistance: -1})
			at := map[int64]image.Image{}
			for i, f := range whole.frames {
				at[f.PTSMS] = whole.pictures[i]
			}
			all := strategies()
			all["fps"] = video.Sampling{FPS: 1000, DedupDistance: -1}
			for name, s := range all {
				e := extract(t, bad, s)
				if s.Strategy != video.Keyframes { // which may need no damaged picture
					require.Positive(t, e.DecodeErrors, name)
				}
				for i, f := range e.frames {
					require.Contains(t, at, f.PTSMS, name)
					require.Less(t, difference(e.pictures[i], at[f.PTSMS]), 1.0, "%s: at %d ms", name, f.PTSMS)
				}
			}
		})
	}
}

// difference is the mean difference of two pictures' channels, 0 to 255.
func difference(a, b image.Image) float64 {
	sum, n := 0, 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r1, g1, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			for _, d := range []int{int(r1) - int(r2), int(g1) - int(g2), int(b1) - int(b2)} {
				sum, n = sum+max(d, -d)>>8, n+1
			}
		}
	}
	return float64(sum) / float64(n)
}
