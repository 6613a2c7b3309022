// Package format formats numbers, times and names for display. It does not depend on terminals.
package format

import (
	"fmt"
	"net/url"
	"path"
	"time"
)

// Clock formats a position in a video: mm:ss.mmm, or h:mm:ss.mmm from one hour on.
func Clock(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	if h > 0 {
		return fmt.Sprintf("%d:%02d:%02d.%03d", h, m, s, ms%1000)
	}
	return fmt.Sprintf("%02d:%02d.%03d", m, s, ms%1000)
}

// Span formats a duration.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

// Ago formats the time from t to now; "-" = t is zero.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return Span(now.Sub(t).Truncate(time.Second)) + " ago"
}

// Dollars formats an amount in USD; small amounts have four decimals.
func Dollars(usd float64) string {
	if usd != 0 && usd < 0.01 {
		return fmt.Sprintf("$%.4f", usd)
	}
	return fmt.Sprintf("$%.2f", usd)
}

// Count formats a number with its noun, singular or plural.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Stage formats the stage of a job, and its pause or the reason of its wait.
func Stage(stage string, paused bool, waiting string) string {
	switch {
	case paused:
		return stage + " (paused)"
	case waiting != "":
		return stage + " (waits: " + waiting + ")"
	default:
		return stage
	}
}

// BaseName is the last element of a path or URI, safe to print.
func BaseName(uri string) string {
	if u, err := url.Parse(uri); err == nil && u.Scheme != "" && u.Path != "" {
		uri = u.Path
	}
	return path.Base(uri)
}

// OrDash returns "-" for an empty string.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
