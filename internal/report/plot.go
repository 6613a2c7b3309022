package report

import (
	"math"
	"strconv"
)

// The plots are drawn with percentages where text stands in them, so that it
// keeps its size on any screen, and in a stretched box of thousandths where not.

// What plots share.
const (
	AxisHeight = 22 // pixels of a line of labels
	MaxTicks   = 6  // of a time or step axis
	Palette    = 7  // colors in the style sheet
)

// Tick is a mark of an axis.
type Tick struct{ X, Anchor, Label string }

// Percent is a part of the width, as attributes of SVG spell it.
func Percent(part float64) string { return strconv.FormatFloat(100*part, 'f', 2, 64) + "%" }

// Unit keeps v within 0 and 1; what is no number is 0.
func Unit(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(1, max(0, v))
}
