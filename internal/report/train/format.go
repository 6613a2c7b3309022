package train

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/internal/report"
)

// figure formats a metric or a setting with about four significant digits.
func figure(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return report.Absent
	case v == 0:
		return "0"
	case a >= 1e9 || a < 1e-4:
		return report.Power(v, 2)
	case a >= 1000:
		return report.Commas(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}

// signed formats a difference, always with a sign.
func signed(v float64) string {
	if v > 0 && !math.IsInf(v, 0) {
		return "+" + figure(v)
	}
	return strings.Replace(figure(v), "-", "−", 1)
}

// sameDigits formats two values of a metric and their difference with the same number of
// decimal places, so that the shown values can be subtracted. The difference determines
// the number of decimal places.
func sameDigits(base, best float64) (before, after, change string) {
	if !report.Finite(base) || !report.Finite(best) {
		return figure(base), figure(best), report.Absent
	}
	if most := max(math.Abs(base), math.Abs(best)); most >= 1e9 || (most < 1e-4 && most > 0) {
		return figure(base), figure(best), signed(best - base)
	}
	digits := commonDigits(base, best)
	b, t := report.Rounded(base, digits), report.Rounded(best, digits)
	return fixed(b, digits), fixed(t, digits), signedFixed(t-b, digits)
}

func commonDigits(base, best float64) int {
	digits := 4
	switch most := max(math.Abs(base), math.Abs(best)); {
	case most >= 1000:
		digits = 0
	case most >= 1:
		digits = 3
	}
	for change := math.Abs(best - base); change > 0 && change*math.Pow10(digits) < 10 && digits < 8; {
		digits++
	}
	return digits
}

// fixed formats v with digits decimal places; zero has no sign.
func fixed(v float64, digits int) string {
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Trim(text, "-0.") == "" {
		text = strings.TrimPrefix(text, "-")
	}
	whole, rest, _ := strings.Cut(text, ".")
	if rest == "" {
		return report.Commas(whole)
	}
	return report.Commas(whole) + "." + rest
}

func signedFixed(v float64, digits int) string {
	if !report.Finite(v) {
		return report.Absent
	}
	text := fixed(v, digits)
	if v > 0 && strings.Trim(text, "0.,") != "" {
		return "+" + text
	}
	return strings.Replace(text, "-", "−", 1)
}

// large formats a count that can be in the millions: "1.24 M".
func large(n int64) string {
	switch {
	case n >= 1e12:
		return fmt.Sprintf("%.3g T", float64(n)/1e12)
	case n >= 1e9:
		return fmt.Sprintf("%.3g B", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.3g M", float64(n)/1e6)
	}
	return report.Commas(strconv.FormatInt(n, 10))
}

// size formats an amount of memory.
func size(bytes int64) string {
	if bytes <= 0 {
		return report.Absent
	}
	if bytes >= 10<<30 {
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	}
	return humanize.IBytes(uint64(bytes))
}

// seconds formats a duration in seconds.
func seconds(s float64) string {
	if !report.Finite(s) || s <= 0 || s > math.MaxInt64/1000 {
		return report.Absent
	}
	return report.Span(int64(math.Round(s * 1000)))
}

// times formats value as a percentage of base.
func times(value, base float64) string {
	if !report.Finite(value) || !report.Finite(base) || value <= 0 || base <= 0 {
		return report.Absent
	}
	return fmt.Sprintf("%.0f %%", 100*value/base)
}
