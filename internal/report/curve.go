package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Curves are drawn in a box of 1000 × the height in pixels, which is stretched to the
// width of the screen. Text and dots must keep their shape, so they are placed over the
// box at percentages.
const (
	CurveBins  = 400 // along x; more points would not be visible
	CurveHigh  = 210 // pixels of the large curve
	CurveLow   = 150 // pixels of the small curves
	curvePad   = 8   // pixels above and below the values
	maxDots    = 120
	smoothOver = 0.04 // window of Smooth as a fraction of all points; at least smoothMin points
	smoothMin  = 3
)

// XY is one value at one step.
type XY struct{ X, Y float64 }

// Curve is a plot of values over steps.
type Curve struct {
	Title, Label    string
	Class           string // CSS class of the plot; empty = none
	Unit, Along     string // unit of the y axis; quantity of the x axis
	Height, AxisY   int
	YTicks, XTicks  []Tick
	Lines           []line
	Refs            []reference
	Dots            []Dot
	Marks           []Mark
	Legend          []Key
	low, high, last float64
	log             bool

	PlotY, KeptY int // bottom of the plot, and top of the mark of a checkpoint
}

type (
	line      struct{ Class, D string }
	reference struct{ Y, Name string }
)

// Dot is one value and its label; R is its radius in pixels.
type Dot struct{ X, Y, R, Class, Name string }

// Mark is a vertical line at a step, labelled with the event at that step.
type Mark struct{ X, Class, Name string }

// Key is a line of the legend: classes of the style sheet and their meaning.
type Key struct{ Class, Name string }

// Plot describes a curve.
type Plot struct {
	Title, Label string
	Unit         string // of the values; empty = no unit
	Along        string // quantity of the x axis; empty = steps of the optimizer
	Height       int    // pixels
	Last         float64
	Log          bool // a logarithmic axis is used where the values span decades
}

// NewCurve makes an empty plot of steps 0 to p.Last. Its y axis spans the given values,
// except for a few outliers.
func NewCurve(p Plot, values ...[]XY) *Curve {
	c := &Curve{
		Title: p.Title, Label: p.Label, Unit: p.Unit, Along: cmp.Or(p.Along, "step of the optimizer"), PlotY: p.Height, KeptY: p.Height - 10,
		Height: p.Height + AxisHeight, AxisY: p.Height + AxisHeight - 6, last: max(p.Last, 1),
	}
	c.low, c.high = bounds(values)
	if c.log = p.Log && spansDecades(c.low, c.high); c.log {
		c.Unit = strings.TrimPrefix(c.Unit+", logarithmic axis", ", ")
	} else if room := (c.high - c.low) * 0.03; room > 0 {
		c.low, c.high = c.low-room, c.high+room
	} else {
		room = max(math.Abs(c.low)*0.1, 1e-12)
		c.low, c.high = c.low-room, c.high+room
	}
	ticks, labels := linearTicks(c.low, c.high, false)
	if c.log {
		ticks, labels = logTicksOf(c.low, c.high)
	}
	for i, v := range ticks {
		c.YTicks = append(c.YTicks, Tick{X: pixels(c.y(v)), Label: labels[i]})
	}
	c.XTicks = StepTicks(c.last)
	return c
}

// bounds is the range of the finite values. For a series of at least 100 values it leaves
// out the lowest and the highest 1 %.
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
	return low, high
}

// Finite reports whether v can be drawn.
func Finite(v float64) bool { return !math.IsNaN(v) && math.Abs(v) < 1e300 }

func (c *Curve) y(v float64) float64 {
	inner := float64(c.PlotY - 2*curvePad)
	if c.log {
		if v <= 0 {
			return 2 * float64(c.PlotY) // below the box
		}
		return curvePad + inner*math.Log(c.high/v)/math.Log(c.high/c.low)
	}
	return curvePad + inner*(c.high-v)/(c.high-c.low)
}

// YAt is the position of a value in pixels. A value far outside the box is moved close to it.
func (c *Curve) YAt(v float64) string {
	return pixels(min(2*float64(c.PlotY), max(-float64(c.PlotY), c.y(v))))
}

// Pixel is YAt as a number, for values within the box.
func (c *Curve) Pixel(v float64) float64 { return c.y(v) }

// XAt is the position of a step as a fraction of the width.
func (c *Curve) XAt(step float64) float64 { return min(1, max(0, step/c.last)) }

func pixels(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// path connects the points. A value that is not finite interrupts the line.
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
	c.Legend = append(c.Legend, Key{"swatch " + class, name})
}

// AddDots draws a line through a few points, and a dot at each point.
func (c *Curve) AddDots(class, name string, points []XY, best float64, text func(float64) string) {
	if len(points) == 0 {
		return
	}
	c.Lines = append(c.Lines, line{class, c.path(thin(points, c.last))})
	for i, p := range points {
		if !Finite(p.Y) || (len(points) > maxDots && p.X != best && i%(len(points)/maxDots+1) != 0) {
			continue
		}
		d := Dot{R: "4", X: Percent(c.XAt(p.X)), Y: c.YAt(p.Y), Class: class, Name: fmt.Sprintf("step %s: %s", Count(int(p.X)), text(p.Y))}
		if p.X == best {
			d.Class, d.Name = class+" best", d.Name+" (best)"
		}
		c.Dots = append(c.Dots, d)
	}
	c.Legend = append(c.Legend, Key{"swatch " + class, name})
}

// AddReference draws a horizontal line at a value.
func (c *Curve) AddReference(v float64, name string) {
	if Finite(v) {
		c.Refs = append(c.Refs, reference{c.YAt(v), name})
		c.Legend = append(c.Legend, Key{"swatch ref", name})
	}
}

// thin divides the x axis into CurveBins parts. It keeps the first, the lowest, the
// highest and the last point of each part, so that every spike stays visible.
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

// Smooth is an exponential moving average with bias correction, so that the first values
// are not pulled to zero.
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
