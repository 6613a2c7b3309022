package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Curves are drawn in a stretched box of 1000 × the height in pixels, so that
// they fill any screen; what must keep its shape, text and dots, stands over it
// at percentages.
const (
	curveBins  = 400 // along x: more points make no other picture
	curveHigh  = 210 // pixels of the large curve
	curveLow   = 120 // and of the small ones
	curvePad   = 8   // above and below
	maxDots    = 120
	smoothOver = 0.04 // of all points, and at least
	smoothMin  = 3
)

// xy is one value at one step.
type xy struct{ x, y float64 }

// curve is a plot of values over steps.
type curve struct {
	Title, Label    string
	Height, AxisY   int
	YTicks, XTicks  []tick
	Lines           []line
	Refs            []reference
	Dots            []dotMark
	Marks           []mark
	Legend          []key
	low, high, last float64

	PlotY, KeptY int // where the box ends, and where the mark of a checkpoint begins
}

type (
	line      struct{ Class, D string }
	reference struct{ Y, Name string }
	dotMark   struct{ X, Y, Class, Name string }
	mark      struct{ X, Class, Name string }
	key       struct{ Class, Name string }
)

// newCurve makes an empty plot of steps 0 to last and values that hold those given.
// The span leaves out what a few wild values would make of it.
func newCurve(title, label string, height int, last float64, values ...[]xy) *curve {
	c := &curve{Title: title, Label: label, PlotY: height, KeptY: height - 10, Height: height + axisHeight, AxisY: height + axisHeight - 6, last: max(last, 1)}
	c.low, c.high = bounds(values)
	step := niceStep((c.high-c.low)/4, 1e-300)
	for n := math.Ceil(c.low/step - 1e-9); n*step <= c.high+step*1e-9; n++ {
		c.YTicks = append(c.YTicks, tick{X: pixels(c.y(n * step)), Label: tickLabel(n*step, step)})
	}
	every := niceStep(c.last/maxTicks, 1)
	for n := 0.0; n*every <= c.last; n++ {
		at := n * every / c.last
		t := tick{X: percent(at), Anchor: "middle", Label: count(int(math.Round(n * every)))}
		if n == 0 {
			t.Anchor = "start"
		} else if at > 0.96 {
			t.Anchor = "end"
		}
		c.XTicks = append(c.XTicks, t)
	}
	return c
}

// bounds is the span of the finite values, without the most extreme hundredth
// of a long series.
func bounds(values [][]xy) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, series := range values {
		var ys []float64
		for _, p := range series {
			if finite(p.y) {
				ys = append(ys, p.y)
			}
		}
		if len(ys) == 0 {
			continue
		}
		slices.Sort(ys)
		cut := 0
		if len(ys) >= 100 {
			cut = len(ys) / 100
		}
		low, high = min(low, ys[cut]), max(high, ys[len(ys)-1-cut])
	}
	if low > high {
		low, high = 0, 1
	}
	if room := (high - low) * 0.03; room > 0 {
		return low - room, high + room
	}
	room := max(math.Abs(low)*0.1, 1e-12)
	return low - room, high + room
}

func finite(v float64) bool { return !math.IsNaN(v) && math.Abs(v) < 1e300 }

// niceStep is a distance between ticks that people count in: 1, 2 or 5 times a
// power of ten, at least the given ones.
func niceStep(at, least float64) float64 {
	if !finite(at) || at <= least {
		at = least
	}
	power := math.Pow(10, math.Floor(math.Log10(at)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= at*(1-1e-9) {
			return max(n*power, least)
		}
	}
	return 10 * power
}

// tickLabel writes v with the digits that its step needs.
func tickLabel(v, step float64) string {
	if math.Abs(v) < step/1e6 {
		return "0"
	}
	if step < 1e-3 || math.Abs(v) >= 1e6 {
		return power(v, 1)
	}
	digits := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	whole, rest, _ := strings.Cut(strconv.FormatFloat(v, 'f', digits, 64), ".")
	if rest != "" {
		return commas(whole) + "." + rest
	}
	return commas(whole)
}

func (c *curve) y(v float64) float64 {
	inner := float64(c.PlotY - 2*curvePad)
	return curvePad + inner*(c.high-v)/(c.high-c.low)
}

// yAt keeps what is far outside the box near it.
func (c *curve) yAt(v float64) string {
	return pixels(min(2*float64(c.PlotY), max(-float64(c.PlotY), c.y(v))))
}

func (c *curve) xAt(step float64) float64 { return min(1, max(0, step/c.last)) }

func pixels(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// path is the way through the points; a value that is no number breaks it.
func (c *curve) path(points []xy) string {
	var out strings.Builder
	command := "M"
	for _, p := range points {
		if !finite(p.y) || !finite(p.x) {
			command = "M"
			continue
		}
		fmt.Fprintf(&out, "%s%s %s", command, pixels(1000*c.xAt(p.x)), c.yAt(p.y))
		command = "L"
	}
	return out.String()
}

func (c *curve) line(class, name string, points []xy) {
	if len(points) < 2 {
		return
	}
	c.Lines = append(c.Lines, line{class, c.path(thin(points, c.last))})
	c.Legend = append(c.Legend, key{class, name})
}

// dots draws a line through few points and each of them.
func (c *curve) dots(class, name string, points []xy, best float64, text func(float64) string) {
	if len(points) == 0 {
		return
	}
	c.Lines = append(c.Lines, line{class, c.path(thin(points, c.last))})
	for i, p := range points {
		if !finite(p.y) || (len(points) > maxDots && p.x != best && i%(len(points)/maxDots+1) != 0) {
			continue
		}
		d := dotMark{X: percent(c.xAt(p.x)), Y: c.yAt(p.y), Class: class, Name: fmt.Sprintf("step %s: %s", count(int(p.x)), text(p.y))}
		if p.x == best {
			d.Class, d.Name = class+" best", d.Name+" (best)"
		}
		c.Dots = append(c.Dots, d)
	}
	c.Legend = append(c.Legend, key{class, name})
}

func (c *curve) reference(v float64, name string) {
	if finite(v) {
		c.Refs = append(c.Refs, reference{c.yAt(v), name})
		c.Legend = append(c.Legend, key{"ref", name})
	}
}

// thin keeps of each of curveBins parts of the x axis the first, the lowest, the
// highest and the last point, so that every spike stays.
func thin(points []xy, last float64) []xy {
	if len(points) <= 3*curveBins {
		return points
	}
	var out []xy
	for from := 0; from < len(points); {
		bin, low, high, to := binOf(points[from].x, last), from, from, from
		for ; to < len(points) && binOf(points[to].x, last) == bin; to++ {
			if points[to].y < points[low].y {
				low = to
			}
			if points[to].y > points[high].y {
				high = to
			}
		}
		keep := []int{from, low, high, to - 1}
		slices.Sort(keep)
		for _, i := range slices.Compact(keep) {
			out = append(out, points[i])
		}
		from = to
	}
	return out
}

func binOf(x, last float64) int { return int(curveBins * min(1, max(0, x/max(last, 1)))) }

// smooth is a running mean that forgets: each value weighs less the older it is.
// The first values are not pulled to zero.
func smooth(points []xy) []xy {
	keep := 1 - 1/max(smoothMin, smoothOver*float64(len(points)))
	out := make([]xy, 0, len(points))
	sum, weight := 0.0, 0.0
	for _, p := range points {
		if !finite(p.y) {
			continue
		}
		sum, weight = keep*sum+p.y, keep*weight+1
		out = append(out, xy{p.x, sum / weight})
	}
	return out
}
