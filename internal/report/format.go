package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// absent stands for a number that is not known.
const absent = "–"

// count is n with commas between thousands.
func count(n int) string { return commas(strconv.Itoa(n)) }

func commas(digits string) string {
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// plural is "1 frame", "2 frames".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// usd shows cents, more places for amounts that would look like nothing, and
// none for those that would not fit.
func usd(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return absent
	case v > 0 && v < 0.01:
		return fmt.Sprintf("$%.4f", v)
	case v >= 1000:
		return "$" + commas(fmt.Sprintf("%.0f", v))
	}
	return fmt.Sprintf("$%.2f", v)
}

// rate is a throughput with three digits that matter.
func rate(v float64) string {
	switch {
	case v <= 0 || math.IsNaN(v) || math.IsInf(v, 0):
		return absent
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return count(int(math.Round(v)))
}

// stamp is a place in a video: mm:ss.mmm, with hours where there are any.
func stamp(ms int64) string {
	ms = max(0, ms)
	s := fmt.Sprintf("%02d:%02d.%03d", ms/60_000%60, ms/1000%60, ms%1000)
	if h := ms / 3_600_000; h > 0 {
		return strconv.FormatInt(h, 10) + ":" + s
	}
	return s
}

// span is a length of time in at most two units.
func span(ms int64) string {
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

// moment is a point in time, always UTC so that reports compare.
func moment(t time.Time) string {
	if t.IsZero() {
		return absent
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// quote makes an argument safe to paste into a shell.
func quote(arg string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if arg != "" && strings.IndexFunc(arg, func(r rune) bool { return !plain(r) }) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
