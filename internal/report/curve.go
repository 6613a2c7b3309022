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
	CurveBins  = 400 // along x: more points make no other picture
	CurveHigh  = 210 // pixels of the large curve
	CurveLow   = 120 // and of the small ones
	curvePad   = 8   // above and below
	maxDots    = 120
	smoothOver = 0.04 // of all points, and at least
	smoothMin  = 3
)

// XY is one value at one step.
type XY struct{ X, Y float64 }

// Curve is a plot of values over steps.
type Curve struct {
	Title, Label    string
	Height, AxisY   int
	YTicks, XTicks  []Tick
	Lines           []line
	Refs            []reference
	Dots            []dotMark
	Marks           []Mark
	Legend          []Key
	low, high, last float64

	PlotY, KeptY int // where the box ends, and where the mark of a checkpoint begins
}

type (
	line      struct{ Class, D string }
	reference struct{ Y, Name string }
	dotMark   struct{ X, Y, Class, Name string }
)

// Mark is a vertical line at a step, with what happened there.
type Mark struct{ X, Class, Name string }

// Key is a line of the legend: a class of the style sheet and what it stands for.
type Key struct{ Class, Name string }

// NewCurve makes an empty plot of steps 0 to last and values that hold those given.
// The span leaves out what a few wild values would make of it.
func NewCurve(title, label string, height int, last float64, values ...[]XY) *Curve {
	c := &Curve{Title: title, Label: label, PlotY: height, KeptY: height - 10, Height: height + AxisHeight, AxisY: height + AxisHeight - 6, last: max(last, 1)}
	c.low, c.high = bounds(values)
	step := niceStep((c.high-c.low)/4, 1e-300)
	for n := math.Ceil(c.low/step - 1e-9); n*step <= c.high+step*1e-9; n++ {
		c.YTicks = append(c.YTicks, Tick{X: pixels(c.y(n * step)), Label: tickLabel(n*step, step)})
	}
	every := niceStep(c.last/MaxTicks, 1)
	for n := 0.0; n*every <= c.last; n++ {
		at := n * every / c.last
		t := Tick{X: Percent(at), Anchor: "middle", Label: Count(int(math.Round(n * every)))}
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
func bounds(values [][]XY) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, series := range values {
		var ys []float64
		for _, p := range series {
			if Finite(p.Y) {
				ys = append(ys, p.Y)
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

// Finite says whether v can be drawn.
func Finite(v float64) bool { return !math.IsNaN(v) && math.Abs(v) < 1e300 }

// niceStep is a distance between ticks that people count in: 1, 2 or 5 times a
// power of ten, at least the given ones.
func niceStep(at, least float64) float64 {
	if !Finite(at) || at <= least {
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
		return Power(v, 1)
	}
	digits := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	whole, rest, _ := strings.Cut(strconv.FormatFloat(v, 'f', digits, 64), ".")
	if rest != "" {
		return Commas(whole) + "." + rest
	}
	return Commas(whole)
}

func (c *Curve) y(v float64) float64 {
	inner := float64(c.PlotY - 2*curvePad)
	return curvePad + inner*(c.high-v)/(c.high-c.low)
}

// YAt is where a value is, in pixels. It keeps what is far outside the box near it.
func (c *Curve) YAt(v float64) string {
	return pixels(min(2*float64(c.PlotY), max(-float64(c.PlotY), c.y(v))))
}

// XAt is where a step is, as a part of the width.
func (c *Curve) XAt(step float64) float64 { return min(1, max(0, step/c.last)) }

func pixels(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// path is the way through the points; a value that is no number breaks it.
func (c *Curve) path(points []XY) string {
	var out strings.Builder
	command := "M"
	for _, p := range points {
		if !Finite(p.Y) || !Finite(p.X) {
			command = "M"
			continue
		}
		fmt.Fprintf(&out, "%s%s %s", command, pixels(1000*c.XAt(p.X)), c.YAt(p.Y))
		command = "L"
	}
	return out.String()
}

// AddLine draws a line through two or more points.
func (c *Curve) AddLine(class, name string, points []XY) {
	if len(points) < 2 {
		return
	}
	c.Lines = append(c.Lines, line{class, c.path(thin(points, c.last))})
	c.Legend = append(c.Legend, Key{class, name})
}

// AddDots draws a line through few points and each of them.
func (c *Curve) AddDots(class, name string, points []XY, best float64, text func(float64) string) {
	if len(points) == 0 {
		return
	}
	c.Lines = append(c.Lines, line{class, c.path(thin(points, c.last))})
	for i, p := range points {
		if !Finite(p.Y) || (len(points) > maxDots && p.X != best && i%(len(points)/maxDots+1) != 0) {
			continue
		}
		d := dotMark{X: Percent(c.XAt(p.X)), Y: c.YAt(p.Y), Class: class, Name: fmt.Sprintf("step %s: %s", Count(int(p.X)), text(p.Y))}
		if p.X == best {
			d.Class, d.Name = class+" best", d.Name+" (best)"
		}
		c.Dots = append(c.Dots, d)
	}
	c.Legend = append(c.Legend, Key{class, name})
}

// AddReference draws a horizontal line at a value.
func (c *Curve) AddReference(v float64, name string) {
	if Finite(v) {
		c.Refs = append(c.Refs, reference{c.YAt(v), name})
		c.Legend = append(c.Legend, Key{"ref", name})
	}
}

// thin keeps of each of CurveBins parts of the x axis the first, the lowest, the
// highest and the last point, so that every spike stays.
func thin(points []XY, last float64) []XY {
	if len(points) <= 3*CurveBins {
		return points
	}
	var out []XY
	for from := 0; from < len(points); {
		bin, low, high, to := binOf(points[from].X, last), from, from, from
		for ; to < len(points) && binOf(points[to].X, last) == bin; to++ {
			if points[to].Y < points[low].Y {
				low = to
			}
			if points[to].Y > points[high].Y {
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

func binOf(x, last float64) int { return int(CurveBins * min(1, max(0, x/max(last, 1)))) }

// Smooth is a running mean that forgets: each value weighs less the older it is.
// The first values are not pulled to zero.
func Smooth(points []XY) []XY {
	keep := 1 - 1/max(smoothMin, smoothOver*float64(len(points)))
	out := make([]XY, 0, len(points))
	sum, weight := 0.0, 0.0
	for _, p := range points {
		if !Finite(p.Y) {
			continue
		}
		sum, weight = keep*sum+p.Y, keep*weight+1
		out = append(out, XY{p.X, sum / weight})
	}
	return out
}
