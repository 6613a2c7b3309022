package report

import (
	"math"
	"strconv"
)

// Plots with text are drawn with percentages, so that the text keeps its size on any
// screen. Plots without text are drawn in a stretched box of 1000 units.

// Constants of all plots.
const (
	AxisHeight = 22 // pixels of a line of labels
	MaxTicks   = 6  // of a time or step axis
	Palette    = 7  // colors in the style sheet
)

// Tick is a mark of an axis.
type Tick struct{ X, Anchor, Label string }

// Percent formats a fraction of the width as an SVG length.
func Percent(part float64) string { return strconv.FormatFloat(100*part, 'f', 2, 64) + "%" }

// Unit clamps v to the range 0 to 1; NaN becomes 0.
func Unit(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(1, max(0, v))
}
