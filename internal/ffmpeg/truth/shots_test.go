package truth_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// film joins scenes of 160×120 at 25 pictures a second; a transition before a scene takes a second
// of both: "" = a cut.
func film(t *testing.T, scenes ...[3]string) string {
	t.Helper()
	var args []string
	graph, last, length := "", "", 0.0
	for i, scene := range scenes {
		args = append(args, "-f", "lavfi", "-t", scene[1], "-i", scene[0])
		var seconds float64
		_, err := fmt.Sscan(scene[1], &seconds)
		require.NoError(t, err)
		graph += fmt.Sprintf("[%d]scale=160:120,setsar=1,fps=25,settb=1/25,format=yuv420p[s%d];", i, i)
		switch {
		case i == 0:
			last, length = "[s0]", seconds
		case scene[2] == "":
			graph += fmt.Sprintf("%s[s%d]concat,settb=1/25[j%d];", last, i, i)
			last, length = fmt.Sprintf("[j%d]", i), length+seconds
		default:
			graph += fmt.Sprintf("%s[s%d]xfade=%s:duration=1:offset=%g[j%d];", last, i, scene[2], length-1, i)
			last, length = fmt.Sprintf("[j%d]", i), length+seconds-1
		}
	}
	args = append(args, "-filter_complex", graph+last+"null[out]", "-map", "[out]", "-c:v", "libx264", "-preset", "veryfast", "-crf", "12")
	return clip(t, "film.mp4", args...)
}

const (
	patterns = "testsrc2=s=160x120:r=25"
	fractal  = "mandelbrot=s=160x120:r=25:start_scale=0.4:end_pts=400"
	carpet   = "sierpinski=s=160x120:r=25:type=carpet:jump=5:seed=7"
)

func TestShots(t *testing.T) {
	t.Parallel()
	s := video.Sampling{Strategy: video.Shots, WindowMS: 5000}
	ranges := func(t *testing.T, e extracted) (all [][2]int64) {
		for _, f := range e.frames {
			all = append(all, [2]int64{f.StartMS, f.EndMS})
			require.GreaterOrEqual(t, f.PTSMS, f.StartMS)
			require.Less(t, f.PTSMS, f.EndMS)
		}
		return all
	}
	near := func(t *testing.T, want, got [][2]int64) {
		t.Helper()
		require.Len(t, got, len(want), "%v", got)
		for i := range want {
			require.InDelta(t, want[i][0], got[i][0], 450, "%v", got)
			require.InDelta(t, want[i][1], got[i][1], 450, "%v", got)
		}
	}
	t.Run("cuts", func(t *testing.T) {
		t.Parallel()
		e := extract(t, film(t, [3]string{patterns, "3"}, [3]string{fractal, "2"}, [3]string{carpet, "3"}), s)
		near(t, [][2]int64{{0, 3000}, {3000, 5000}, {5000, 8000}}, ranges(t, e))
		require.Equal(t, []int{0, 1, 2}, []int{e.frames[0].Shot, e.frames[1].Shot, e.frames[2].Shot})
	})
	t.Run("dissolves", func(t *testing.T) {
		t.Parallel()
		e := extract(t, film(t, [3]string{"color=0x203040,drawgrid=w=16:h=16:color=white", "4"}, [3]string{"color=0xd0a060,drawgrid=w=32:h=24:color=black", "4", "fade"}), s)
		near(t, [][2]int64{{0, 3500}, {3500, 7000}}, ranges(t, e))
		for _, f := range e.frames {
			require.False(t, f.PTSMS > 3080 && f.PTSMS < 3920, "a still of the transition, at %d ms", f.PTSMS)
		}
	})
	t.Run("a moving camera", func(t *testing.T) {
		t.Parallel()
		e := extract(t, film(t, [3]string{fractal, "4"}), s)
		near(t, [][2]int64{{0, 4000}}, ranges(t, e))
	})
	t.Run("long shots", func(t *testing.T) {
		t.Parallel()
		e := extract(t, film(t, [3]string{patterns, "15.5"}), video.Sampling{Strategy: video.Shots, WindowMS: 5000, DedupDistance: -1})
		near(t, [][2]int64{{0, 5000}, {5000, 10_000}, {10_000, 15_500}}, ranges(t, e))
		require.Equal(t, 0, e.frames[2].Shot)
	})
	t.Run("what shows nothing", func(t *testing.T) {
		t.Parallel()
		e := extract(t, film(t, [3]string{"color=black", "2"}, [3]string{patterns, "2"}, [3]string{"smptebars=s=160x120", "2"},
			[3]string{carpet, "2"}, [3]string{fractal + ",gblur=sigma=12", "2"}, [3]string{"color=white", "2"}), s)
		near(t, [][2]int64{{2000, 4000}, {6000, 8000}}, ranges(t, e))
		require.Equal(t, 4, e.Blank)
		e = extract(t, film(t, [3]string{"color=black", "3"}), s)
		require.Equal(t, 1, e.Frames, "a video is never without a frame")
	})
	t.Run("stills", func(t *testing.T) {
		t.Parallel()
		// The fractal is out of focus in the second half of each second, and the carpet begins with a second of black.
		blurred := fractal + ",gblur=sigma=12:enable='gte(mod(t,1),0.5)'"
		e := extract(t, film(t, [3]string{patterns, "4"}, [3]string{blurred, "4"}, [3]string{carpet + ",drawbox=t=fill:color=black:enable='lt(t,1)'", "4"}),
			video.Sampling{Strategy: video.Shots, WindowMS: 5000, Stills: 4})
		near(t, [][2]int64{{0, 4000}, {4000, 8000}, {9000, 12_000}}, ranges(t, e))
		for i, f := range e.frames {
			require.Len(t, f.Stills, 4, "%v", f.Stills)
			require.True(t, slices.ContainsFunc(f.Stills, func(s video.Still) bool { return s.PTSMS == f.PTSMS && s.SHA256 == f.SHA256 }), "the frame is one of them")
			slice := (f.EndMS - f.StartMS) / 4
			for j, s := range f.Stills {
				from := f.StartMS + int64(j)*slice
				require.True(t, s.PTSMS >= from && s.PTSMS <= from+slice, "still %d of %v in %d–%d", j, f.Stills, f.StartMS, f.EndMS)
				require.LessOrEqual(t, len(e.stills[i][j]), f.Bytes, "the frame is the best")
				if i == 1 {
					require.Less(t, s.PTSMS%1000, int64(500), "still %d of %v is blurred", j, f.Stills)
				}
			}
		}
		e = extract(t, film(t, [3]string{patterns, "2.2"}), video.Sampling{Strategy: video.Shots, WindowMS: 2000, Stills: 2})
		near(t, [][2]int64{{0, 2200}}, ranges(t, e))
		require.Len(t, e.frames[0].Stills, 2)
		require.GreaterOrEqual(t, e.frames[0].Stills[1].PTSMS, int64(1100), "of the whole shot, its rest too")
	})
	t.Run("stills of what does not move", func(t *testing.T) {
		t.Parallel()
		still, other := "color=0x203040,drawgrid=w=16:h=16:color=white", "color=0xd0a060,drawgrid=w=32:h=24:color=black"
		film := film(t, [3]string{still, "12"}, [3]string{other, "3"})
		s := video.Sampling{Strategy: video.Shots, WindowMS: 5000, Stills: 3}
		e := extract(t, film, s)
		near(t, [][2]int64{{0, 12_000}, {12_000, 15_000}}, ranges(t, e))
		require.Len(t, e.frames[0].Stills, 1)
		s.DedupDistance = -1
		e = extract(t, film, s)
		require.Len(t, e.frames, 4)
		require.Len(t, e.frames[0].Stills, 3)
	})
	t.Run("the same again", func(t *testing.T) {
		t.Parallel()
		still := "color=0x203040,drawgrid=w=16:h=16:color=white"
		e := extract(t, film(t, [3]string{still, "12"}), s)
		near(t, [][2]int64{{0, 12_000}}, ranges(t, e))
		require.Positive(t, e.Duplicates)
	})
}
