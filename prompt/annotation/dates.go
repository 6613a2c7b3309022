package annotation

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Dates and times are kept as text, in the form in which pydantic writes them.

var (
	dateForm     = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})$`)
	datetimeForm = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})[Tt _](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?([Zz]|[+\-−]\d{2}:?\d{2})?$`)
	numberForm   = regexp.MustCompile(`^[+\-]?(\d+\.?\d*|\.\d+)$`)
)

// instant is a point in time; without a zone, its offset is unknown.
type instant struct {
	time.Time
	zoned bool
}

func (i instant) text() string {
	text := i.Format("2006-01-02T15:04:05")
	if micro := i.Nanosecond() / 1000; micro != 0 {
		text += fmt.Sprintf(".%06d", micro)
	}
	if !i.zoned {
		return text
	}
	if _, offset := i.Zone(); offset == 0 {
		return text + "Z"
	}
	return text + i.Format("-07:00")
}

// toDatetime reads ISO 8601, a date alone, or a Unix time in seconds or milliseconds.
func toDatetime(v any) (any, bool) {
	i, ok := readInstant(v)
	if !ok {
		return nil, false
	}
	return i.text(), true
}

// toDate reads a date, or a datetime without a time of day.
func toDate(v any) (any, bool) {
	i, ok := readInstant(v)
	if !ok || i.Hour()+i.Minute()+i.Second()+i.Nanosecond() != 0 {
		return nil, false
	}
	return i.Format(time.DateOnly), true
}

func readInstant(v any) (instant, bool) {
	switch x := v.(type) {
	case int64:
		return unix(float64(x))
	case *big.Int:
		return instant{}, false
	case float64:
		return unix(x)
	case string:
		return instantOfText(strings.TrimSpace(x))
	}
	return instant{}, false
}

func instantOfText(text string) (instant, bool) {
	if day, ok := day(text); ok {
		return instant{day, false}, true
	}
	m := datetimeForm.FindStringSubmatch(text)
	if m == nil {
		if !numberForm.MatchString(text) {
			return instant{}, false
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return instant{}, false
		}
		return unix(f)
	}
	day, ok := day(m[1])
	hour, minute, second := number(m[2]), number(m[3]), number(m[4])
	if !ok || hour > 23 || minute > 59 || second > 59 {
		return instant{}, false
	}
	fraction := (m[5] + "000000")[:6]
	zone, ok := zoneOf(m[6])
	if !ok {
		return instant{}, false
	}
	at := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, second, number(fraction)*1000, zone)
	return instant{at, m[6] != ""}, true
}

func day(text string) (time.Time, bool) {
	if !dateForm.MatchString(text) {
		return time.Time{}, false
	}
	day, err := time.Parse(time.DateOnly, text)
	return day, err == nil && day.Year() > 0
}

func zoneOf(text string) (*time.Location, bool) {
	if text == "" || strings.EqualFold(text, "z") {
		return time.UTC, true
	}
	digits := strings.ReplaceAll(strings.TrimLeft(text, "+-−"), ":", "")
	hour, minute := number(digits[:2]), number(digits[2:])
	if hour > 23 || minute > 59 {
		return nil, false
	}
	seconds := hour*3600 + minute*60
	if !strings.HasPrefix(text, "+") {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), true
}

// number reads digits; "" is 0. The patterns above limit the number of digits.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// unix reads a Unix time in seconds; a magnitude above 20,000,000,000 is in milliseconds.
func unix(seconds float64) (instant, bool) {
	const maxSeconds = 20_000_000_000
	if math.Abs(seconds) > maxSeconds {
		seconds /= 1000
	}
	const last = 253_402_300_800 // 1 January 10000
	if math.IsNaN(seconds) || seconds >= last || seconds < -62_135_596_800 {
		return instant{}, false
	}
	whole := math.Floor(seconds)
	micro := math.Round((seconds - whole) * 1e6)
	return instant{time.Unix(int64(whole), int64(micro)*1000).UTC(), true}, true
}
