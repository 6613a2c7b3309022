package explain

import (
	"regexp"
	"strings"
	"time"
)

// at is a time that may be unknown.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// by says who paused something on the server, and why.
func by(p *pause) string {
	text := ""
	if p.by != "" {
		text = " by " + p.by
	}
	if p.reason != "" {
		text += " (" + p.reason + ")"
	}
	return text
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// quoted is an id as a shell reads it.
func quoted(id string) string {
	if plain.MatchString(id) && !strings.HasPrefix(id, "-") {
		return id
	}
	return "'" + strings.ReplaceAll(id, "'", `'\''`) + "'"
}
