package truth_test

import (
	"image"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// code reads the bar code at the top of a picture: 16 bars, the lowest bit first.
func code(picture image.Image) (number int) {
	b := picture.Bounds()
	for i := range 16 {
		if y, _, _, _ := picture.At((2*i+1)*b.Dx()/32, b.Dy()/10).RGBA(); y > 1<<15 {
			number |= 1 << i
		}
	}
	return number
}

// strategies are all ways of sampling. Each keeps every frame that it samples.
func strategies() map[string]video.Sampling {
	all := map[string]video.Sampling{
		"fps":              {FPS: 2},
		"keyframes":        {Strategy: video.Keyframes},
		"keyframes, gaps":  {Strategy: video.Keyframes, MaxGapMS: 700},
		"scene":            {Strategy: video.Scene, MaxGapMS: 900},
		"segments":         {Strategy: video.Segments, WindowMS: 1700},
		"segments, stills": {Strategy: video.Segments, WindowMS: 1700, Stills: 3},
		"shots":            {Strategy: video.Shots, WindowMS: 900},
	}
	for name, s := range all {
		s.DedupDistance = -1
		all[name] = s
	}
	return all
}

// TestGivenTimes: the picture that is filed at a time is the picture at that time. One
// picture in 40 ms: number n begins at first + 40·n.
func TestGivenTimes(t *testing.T) {
	t.Parallel()
	clips := []struct {
		name       string
		first      int64
		off        float64 // by how much times may differ, in milliseconds
		durationMS int64
	}{
		{"xvid_g250.avi", 40, 1, 30_000},
		{"neg.mkv", 23, 1, 12_000},
		{"twovideo.mkv", 23, 1, 6_000},
	}
	for _, c := range clips {
		for name, s := range strategies() {
			t.Run(c.name+" "+name, func(t *testing.T) {
				t.Parallel()
				e := extract(t, given(t, c.name), s)
				require.Zero(t, e.DecodeErrors)
				require.InDelta(t, c.durationMS, e.DurationMS, 60)
				for i, f := range e.frames {
					require.InDelta(t, c.first+40*int64(code(e.pictures[i])), f.PTSMS, c.off, "picture %d", code(e.pictures[i]))
				}
			})
		}
	}
}

// TestGivenJump: in a stream whose clock jumps by 5,000 s after four of eight seconds, times
// go on, and the pictures are the same in each strategy.
func TestGivenJump(t *testing.T) {
	t.Parallel()
	path := given(t, "discont_fwd.ts")
	require.InDelta(t, 8000, probe(t, path).DurationMS, 250)
	whole := extract(t, path, video.Sampling{FPS: 1000, DedupDistance: -1})
	at := map[int64]int{}
	for i, f := range whole.frames {
		at[f.PTSMS] = code(whole.pictures[i])
	}
	for name, s := range strategies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := extract(t, path, s)
			require.InDelta(t, 8000, e.DurationMS, 250)
			require.Greater(t, e.Frames, 3)
			for i, f := range e.frames {
				require.Contains(t, at, f.PTSMS)
				require.Equal(t, at[f.PTSMS], code(e.pictures[i]))
			}
		})
	}
}
