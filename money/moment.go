package money

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// maxAge is the highest age of a moment.
const maxAge = 100 * 365 * 24 * time.Hour

// Moment reads a time of a CostQuery: an age, a day in UTC or RFC 3339. "" and "all" are no bound.
func Moment(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "all" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if d, ok := age(text); ok {
		return now.Add(-d), nil
	}
	return time.Time{}, errors.New("must be an age such as 30d or 12h, a day such as 2026-11-01, or RFC 3339, not " + strconv.Quote(text))
}

// age reads days, or a duration of Go.
func age(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n >= 0 && n <= int(maxAge.Hours()/24)
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0 && d <= maxAge
}
