package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Absent is shown for an unknown number.
const Absent = "–"

// Count is n with commas between thousands.
func Count(n int) string { return Commas(strconv.Itoa(n)) }

// Commas separates the thousands of a number.
func Commas(digits string) string {
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Plural formats a count with its noun: "1 frame", "2 frames".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return Count(n) + " " + stem + "ies"
	}
	return Count(n) + " " + noun + "s"
}

// USD formats an amount with two decimal places, or four below ten cents.
func USD(v float64) string { return usd(v, usdDigits(v)) }

// usdDigits is the number of decimal places for v.
func usdDigits(v float64) int {
	if a := math.Abs(v); a > 0 && a < 0.1 {
		return 4
	}
	return 2
}

func usd(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Absent
	}
	sign := ""
	if v < 0 {
		sign, v = "−", -v
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if v > 0 && strings.Trim(text, "0.") == "" {
		return sign + "< $0." + strings.Repeat("0", digits-1) + "1"
	}
	whole, rest, _ := strings.Cut(text, ".")
	return sign + "$" + Commas(whole) + "." + rest
}

// USDs formats the amounts of a column and their total, with as many decimal places as the
// smallest amount needs. Each amount is rounded separately; exact reports whether the shown
// amounts add up to the shown total. Amounts that are not finite count as zero.
func USDs(column []float64, total float64) (texts []string, sum string, exact bool) {
	digits := usdDigits(total)
	for _, v := range column {
		if Finite(v) {
			digits = max(digits, usdDigits(v))
		}
	}
	unit, shown := math.Pow10(digits), 0.0
	for _, v := range column {
		texts = append(texts, usd(v, digits))
		if Finite(v) {
			shown += math.Round(Rounded(v, digits) * unit)
		}
	}
	return texts, usd(total, digits), shown == math.Round(Rounded(total, digits)*unit)
}

// Rounded is v rounded to digits decimal places.
func Rounded(v float64, digits int) float64 {
	shown, err := strconv.ParseFloat(strconv.FormatFloat(v, 'f', digits, 64), 64)
	if err != nil {
		return math.NaN()
	}
	return shown
}

// Rate formats a throughput with three significant digits.
func Rate(v float64) string {
	switch {
	case v <= 0 || math.IsNaN(v) || math.IsInf(v, 0):
		return Absent
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return Count(int(math.Round(v)))
}

// Span formats a duration in at most two units.
func Span(ms int64) string {
	ms = max(0, ms)
	s := (ms + 500) / 1000
	switch {
	case ms < 1000:
		return strconv.FormatInt(ms, 10) + " ms"
	case ms < 59_950:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(ms)/1000), ".0") + " s"
	case s < 3600:
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	case s < 86_400:
		return fmt.Sprintf("%d h %02d min", s/3600, s/60%60)
	}
	return fmt.Sprintf("%d d %d h", s/86_400, s/3600%24)
}

// Moment formats a point in time, always in UTC, so that reports can be compared.
func Moment(t time.Time) string {
	if t.IsZero() {
		return Absent
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// Power formats a number with a power of ten: 2e-4.
func Power(v float64, digits int) string {
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', digits, 64), "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	n, err := strconv.Atoi(exponent)
	if err != nil {
		return Absent // an infinity
	}
	return mantissa + "e" + strconv.Itoa(n)
}

// PValue is a p-value, rounded.
func PValue(p float64) string {
	switch {
	case math.IsNaN(p) || p < 0 || p > 1:
		return Absent
	case p < 0.0001:
		return "p < 0.0001"
	case p < 0.01:
		return fmt.Sprintf("p = %.4f", p)
	}
	return fmt.Sprintf("p = %.2f", p)
}

// Quote makes an argument safe to paste into a shell.
func Quote(arg string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if arg != "" && strings.IndexFunc(arg, func(r rune) bool { return !plain(r) }) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
