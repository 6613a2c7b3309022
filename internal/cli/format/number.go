package format

import (
	"fmt"
	"math"
	"strconv"
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
func Points(v float64) string { return fmt.Sprintf("%+.1f points", v) }
