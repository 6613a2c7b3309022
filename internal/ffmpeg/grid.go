package ffmpeg

import (
	"fmt"
	"math"

	"github.com/cogniverse/cogflow/video"
)

// grid is a series of instants: offset + k·period/per milliseconds for k = 0,
// 1, …. A sample is the picture shown at such an instant, which is the last one
// that begins at or before it: so a still that is held for minutes is seen, and
// its timestamp is its own, not that of the grid.
type grid struct {
	offset int64
	period int64
	per    int64
}

// rateGrid has fps instants a second, to a thousandth of a frame a second.
func rateGrid(fps float64) *grid {
	return &grid{period: 1_000_000, per: max(1, int64(math.Round(fps*1000)))}
}

// filter puts on instant k the picture that is shown then. Timestamps are
// milliseconds here, so that it and target round the same numbers.
func (g *grid) filter() string {
	f := fmt.Sprintf("fps=fps=%d/%d:start_time=0:round=up", 1000*g.per, g.period)
	if g.offset != 0 {
		f = fmt.Sprintf("setpts=PTS-%d,", g.offset) + f
	}
	return f
}

// index is the k of a picture that the filter moved to ms.
func (g *grid) index(ms int64) int64 {
	return int64(math.Round(float64(ms) * float64(g.per) / float64(g.period)))
}

// target is instant k, rounded down: a picture is shown then if it begins at or
// before this millisecond.
func (g *grid) target(k int64) int64 { return g.offset + k*g.period/g.per }

// timeline is what is known of the pictures of a pass, sampled or not.
type timeline struct {
	pending []int64 // their times, from the one shown at the last resolved instant on
	last    int64   // the newest
	step    int64   // its distance from the one before; 0 = unknown
	count   int
}

// add takes the next picture. Only the order in which pictures are shown
// counts, so one that seems to go back in time is passed over.
func (l *timeline) add(ms int64, keep bool) {
	if l.count > 0 && ms <= l.last {
		return
	}
	if l.count > 0 {
		l.step = ms - l.last
	}
	l.last = ms
	l.count++
	if keep {
		l.pending = append(l.pending, ms)
	}
}

// end is where the last picture ends: it is shown as long as the one before, but
// not beyond the end that the container gives.
func (l *timeline) end(m video.Media) int64 {
	if l.count == 0 {
		return 0
	}
	frame := int64(40)
	if m.FPS > 0 {
		frame = max(1, int64(math.Round(1000/m.FPS)))
	}
	switch {
	case m.DurationMS > 0 && m.DurationMS <= l.last, l.step == 0:
		return l.last + frame
	case m.DurationMS > 0:
		return min(l.last+l.step, m.DurationMS)
	}
	return l.last + l.step
}

// shown returns the time of the picture shown at an instant that lies before
// the newest one. It forgets older pictures.
func (l *timeline) shown(at int64) int64 {
	i := 0
	for i+1 < len(l.pending) && l.pending[i+1] <= at {
		i++
	}
	l.pending = append(l.pending[:0], l.pending[i:]...)
	if len(l.pending) == 0 {
		return at
	}
	return l.pending[0]
}
