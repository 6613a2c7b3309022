package costs

import (
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/cli"
)

// maxAge is the highest age of --since and --until.
const maxAge = 100 * 365 * 24 * time.Hour

// moment reads a time: an age, a day in UTC or RFC 3339. "" and "all" are no bound.
func moment(flag, text string, now time.Time) (time.Time, error) {
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
	return time.Time{}, cli.Usage("--%s must be an age such as 30d or 12h, a day such as 2026-11-01, or RFC 3339, not %q", flag, text)
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
