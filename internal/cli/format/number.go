package format

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Bytes formats a size in binary units; "-" = unknown.
func Bytes(n int64) string {
	if n <= 0 {
		return "-"
	}
	return humanize.IBytes(uint64(n))
}

// Seconds formats a duration; "-" = unknown.
func Seconds(seconds float64) string {
	if seconds <= 0 || seconds > math.MaxInt64/1e10 {
		return "-"
	}
	return Span(time.Duration(seconds * float64(time.Second)))
}

// Metric formats a metric with its significant digits.
func Metric(v float64) string {
	if v != 0 && math.Abs(v) < 0.001 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}

// Percent formats a percentage.
func Percent(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) + " %" }

// Points formats a difference between two percentages.
func Points(v float64) string { return signed(v) + " points" }

// Interval formats the ends of a confidence interval of a difference between two percentages.
func Interval(low, high float64) string { return signed(low) + " to " + Points(high) }

// signed formats zero without a sign.
func signed(v float64) string {
	text := strconv.FormatFloat(v, 'f', 1, 64)
	switch {
	case strings.Trim(text, "-0.") == "":
		return "0.0"
	case v > 0:
		return "+" + text
	}
	return text
}
