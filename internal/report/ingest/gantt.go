package ingest

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/video"
)

const laneHeight = 46 // pixels: a line of text and a bar

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
	Ticks                []report.Tick
	Lanes                []lane
}

// newGantt lays out one lane per stage for a run of total milliseconds.
func newGantt(stages []video.StageTime, total int64, c *colors) *gantt {
	if len(stages) == 0 {
		return nil
	}
	g := &gantt{GridY: len(stages) * laneHeight}
	g.AxisY = g.GridY + report.AxisHeight - 6
	g.Height = g.GridY + report.AxisHeight
	g.Ticks = ticks(total)
	for i, s := range stages {
		x, width := extent(s, total)
		l := lane{
			TextY: i*laneHeight + 16, BarY: i*laneHeight + 23, Color: c.of(s.Name),
			X: report.Percent(x), Width: report.Percent(width), Name: report.Clean(s.Name, report.MaxLabel),
			Busy: report.Span(s.BusyMS), Wall: report.Span(s.WallMS()), Frames: report.Absent, Calls: report.Absent,
			Rate: report.Rate(s.FramesPerSecond()), At: report.Absent,
		}
		notes := []string{report.Span(s.WallMS())}
		if s.Frames > 0 {
			l.Frames = report.Count(s.Frames)
			notes = append(notes, l.Rate+" frames/s")
		}
		if s.Calls > 0 {
			l.Calls = report.Count(s.Calls)
		}
		if p := s.Parallel(); p > 0 {
			l.At = report.Rate(p)
			if p > 1.05 {
				notes = append(notes, l.At+" at once")
			}
		}
		l.Note = strings.Join(notes, " · ")
		g.Lanes = append(g.Lanes, l)
	}
	return g
}

// colors assigns a colour to each stage name of a page, in order of appearance.
type colors struct{ stages []string }

func (c *colors) of(stage string) int {
	i := slices.Index(c.stages, stage)
	if i < 0 {
		i = len(c.stages)
		c.stages = append(c.stages, stage)
	}
	return i % report.Palette
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

// extent is the start and the length of a stage as fractions of the run.
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

// stride is the distance between ticks in milliseconds: the largest round distance that gives
// at least four ticks. Each round distance is at most twice the previous one, so there are at most
// report.MaxTicks.
func stride(total int64) int64 {
	const day = 86_400_000
	if days := total / day; days >= 3 {
		step := int64(1)
		for days/(2*step) >= 3 {
			step *= 2
		}
		return step * day
	}
	best := int64(1)
	for _, s := range []int64{
		1, 2, 4, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1e3, 2e3, 4e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 180e3, 300e3, 600e3, 900e3,
		1800e3, 3600e3, 7200e3, 10_800e3, 21_600e3, 43_200e3,
	} {
		if total/s >= 3 {
			best = s
		}
	}
	return best
}

func ticks(total int64) []report.Tick {
	if total <= 0 {
		return nil
	}
	step := stride(total)
	var out []report.Tick
	for n := range total/step + 1 {
		t := report.Tick{X: report.Percent(part(n*step, total)), Anchor: "middle", Label: short(n * step)}
		if n == 0 {
			t.Anchor = "start"
		}
		out = append(out, t)
	}
	return out
}

// short is the label of a tick: in one unit, without a fraction if possible.
func short(ms int64) string {
	switch {
	case ms == 0:
		return "0"
	case ms < 1000:
		return fmt.Sprintf("%d ms", ms)
	case ms < 60_000:
		return strconv.FormatFloat(float64(ms)/1000, 'f', -1, 64) + " s"
	case ms%3_600_000 == 0 && ms < 3*86_400_000:
		return fmt.Sprintf("%d h", ms/3_600_000)
	case ms < 3_600_000:
		if ms%60_000 == 0 {
			return fmt.Sprintf("%d min", ms/60_000)
		}
		return fmt.Sprintf("%d:%02d min", ms/60_000, ms/1000%60)
	case ms < 86_400_000:
		return fmt.Sprintf("%d:%02d h", ms/3_600_000, ms/60_000%60)
	}
	return fmt.Sprintf("%d d", ms/86_400_000)
}
