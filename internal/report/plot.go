package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/video"
)

// The plots are drawn with percentages where text stands in them, so that it
// keeps its size on any screen, and in a stretched box of thousandths where not.

const (
	laneHeight = 46 // pixels: a line of text and a bar
	axisHeight = 22
	maxTicks   = 6
	stripBins  = 400
	palette    = 7 // colours in the style sheet
)

type tick struct{ X, Anchor, Label string }

type lane struct {
	TextY, BarY   int
	Color         int
	X, Width      string
	Name, Note    string
	Busy, Wall    string
	Frames, Calls string
	Rate, At      string
}

type gantt struct {
	Height, AxisY, GridY int
	Ticks                []tick
	Lanes                []lane
}

// newGantt lays out one lane a stage over a run of total milliseconds.
func newGantt(stages []video.StageTime, total int64, c *colors) *gantt {
	if len(stages) == 0 {
		return nil
	}
	g := &gantt{GridY: len(stages) * laneHeight}
	g.AxisY = g.GridY + axisHeight - 6
	g.Height = g.GridY + axisHeight
	g.Ticks = ticks(total)
	for i, s := range stages {
		x, width := extent(s, total)
		l := lane{
			TextY: i*laneHeight + 16, BarY: i*laneHeight + 23, Color: c.of(s.Name),
			X: percent(x), Width: percent(width), Name: clean(s.Name, maxLabel),
			Busy: span(s.BusyMS), Wall: span(s.WallMS()), Frames: absent, Calls: absent,
			Rate: rate(s.FramesPerSecond()), At: absent,
		}
		notes := []string{span(s.WallMS())}
		if s.Frames > 0 {
			l.Frames = count(s.Frames)
			notes = append(notes, l.Rate+" frames/s")
		}
		if s.Calls > 0 {
			l.Calls = count(s.Calls)
		}
		if p := s.Parallel(); p > 0 {
			l.At = rate(p)
			if p > 1.05 {
				notes = append(notes, l.At+" at once")
			}
		}
		l.Note = strings.Join(notes, " · ")
		g.Lanes = append(g.Lanes, l)
	}
	return g
}

// colors gives each stage name one colour throughout a page, in order of
// appearance.
type colors struct{ stages []string }

func (c *colors) of(stage string) int {
	i := slices.Index(c.stages, stage)
	if i < 0 {
		i = len(c.stages)
		c.stages = append(c.stages, stage)
	}
	return i % palette
}

type bar struct {
	Color               int
	X, Y, Width, Height int
}

// bars draws the stages of one video as thin rows in a box of 1000 × 24.
func bars(stages []video.StageTime, total int64, c *colors) []bar {
	out := make([]bar, 0, len(stages))
	if len(stages) == 0 {
		return out
	}
	const height = 24
	each := max(1, height/len(stages))
	for i, s := range stages {
		x, width := extent(s, total)
		out = append(out, bar{
			Color: c.of(s.Name), Y: min(i*each, height-each), Height: max(1, each-1),
			X: int(x * 1000), Width: max(4, int(math.Ceil(width*1000))),
		})
	}
	return out
}

// extent is where a stage begins and how long it is, as parts of the whole.
func extent(s video.StageTime, total int64) (x, width float64) {
	start := part(s.StartMS, total)
	return start, max(0, part(s.EndMS, total)-start)
}

func part(ms, total int64) float64 {
	if total <= 0 {
		return 0
	}
	return min(1, max(0, float64(ms)/float64(total)))
}

func percent(part float64) string { return strconv.FormatFloat(100*part, 'f', 2, 64) + "%" }

// stride is a distance between ticks that people count in, in milliseconds.
func stride(total int64) int64 {
	const day = 86_400_000
	for _, s := range []int64{
		1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3,
		1800e3, 3600e3, 7200e3, 14_400e3, 21_600e3, 43_200e3, day,
	} {
		if total/s < maxTicks {
			return s
		}
	}
	return day * (total/day/maxTicks + 1)
}

func ticks(total int64) []tick {
	if total <= 0 {
		return nil
	}
	step := stride(total)
	var out []tick
	for n := range total/step + 1 {
		at := part(n*step, total)
		t := tick{X: percent(at), Anchor: "middle", Label: short(n * step)}
		if n == 0 {
			t.Anchor = "start"
		} else if at > 0.94 {
			t.Anchor = "end"
		}
		out = append(out, t)
	}
	return out
}

// short is a tick's label: one unit, no fraction where none is needed.
func short(ms int64) string {
	switch {
	case ms == 0:
		return "0"
	case ms < 1000:
		return fmt.Sprintf("%d ms", ms)
	case ms < 60_000:
		return fmt.Sprintf("%d s", ms/1000)
	case ms%3_600_000 == 0 && ms < 86_400_000:
		return fmt.Sprintf("%d h", ms/3_600_000)
	case ms < 3_600_000:
		return fmt.Sprintf("%d:%02d min", ms/60_000, ms/1000%60)
	case ms < 86_400_000:
		return fmt.Sprintf("%d:%02d h", ms/3_600_000, ms/60_000%60)
	}
	return fmt.Sprintf("%d d", ms/86_400_000)
}

// strip shows where in a video frames were taken.
type strip struct {
	Shown, Kept string // paths in a box of 1000 × 16
	Half, End   string
	Label       string
}

func newStrip(v video.Section) *strip {
	var shown []int64
	end := v.DurationMS
	for _, f := range v.Sheet {
		shown = append(shown, f.PTSMS)
		end = max(end, f.EndMS, f.PTSMS)
	}
	kept := v.TakenMS
	for _, ms := range kept {
		end = max(end, ms)
	}
	if end <= 0 || len(shown)+len(kept) == 0 {
		return nil
	}
	label := plural(len(kept), "frame") + " taken"
	if len(kept) == 0 {
		label = "The frames below were taken"
	}
	return &strip{
		Shown: marks(shown, end), Kept: marks(kept, end), Half: stamp(end / 2), End: stamp(end),
		Label: fmt.Sprintf("%s between %s and %s of %s", label,
			edge(kept, shown, slices.Min[[]int64]), edge(kept, shown, slices.Max[[]int64]), stamp(end)),
	}
}

func edge(kept, shown []int64, pick func([]int64) int64) string {
	return stamp(pick(slices.Concat(kept, shown)))
}

// marks is a path of one vertical line for each bin that holds a frame, so that
// a long video does not make a long page.
func marks(times []int64, end int64) string {
	var taken [stripBins + 1]bool
	for _, ms := range times {
		taken[int(part(ms, end)*stripBins)] = true
	}
	var out strings.Builder
	for bin, yes := range taken {
		if yes {
			fmt.Fprintf(&out, "M%d 0v16", bin*1000/stripBins)
		}
	}
	return out.String()
}
