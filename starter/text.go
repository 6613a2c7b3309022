package main

import (
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/text"
)

// steers reports whether r could steer a terminal or reorder what it shows.
// Names and captions come from strangers.
func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// escapeJSON writes the steering characters of a JSON document as \u escapes.
// Outside strings a document holds none but newlines.
func escapeJSON(s string) string {
	var out strings.Builder
	for _, r := range s {
		if r != '\n' && steers(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// clock writes a position in a video: mm:ss.mmm, with hours where there are any.
func clock(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	if h > 0 {
		return fmt.Sprintf("%d:%02d:%02d.%03d", h, m, s, ms%1000)
	}
	return fmt.Sprintf("%02d:%02d.%03d", m, s, ms%1000)
}

// span writes a length of time for people.
func span(d time.Duration) string {
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

func ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return span(now.Sub(t).Truncate(time.Second)) + " ago"
}

func dollars(usd float64) string {
	if usd != 0 && usd < 0.01 {
		return fmt.Sprintf("$%.4f", usd)
	}
	return fmt.Sprintf("$%.2f", usd)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// fit cuts or pads s to a number of cells.
func fit(s string, cells int) string {
	s = text.Snip(s, cells, "…")
	return text.Pad(s, cells, ' ')
}

func stageText(stage string, paused bool, waiting string) string {
	switch {
	case paused:
		return stage + " (paused)"
	case waiting != "":
		return stage + " (waits: " + waiting + ")"
	default:
		return stage
	}
}

// baseName is the last element of a path or URI, for people.
func baseName(uri string) string {
	if u, err := url.Parse(uri); err == nil && u.Scheme != "" && u.Path != "" {
		uri = u.Path
	}
	return path.Base(uri)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

const shortDigits = 12

func (a *App) short(id string) string {
	if a.Wide {
		return id
	}
	return id[:min(len(id), shortDigits)]
}
