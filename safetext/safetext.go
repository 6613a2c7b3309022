// Package safetext prepares untrusted text (file names, captions, messages of servers, the
// last lines of a process) for places where people or programs read it: a history, a log, a
// report, a terminal. Text is first cleaned and redacted as a whole, and truncated last: a
// truncated secret is no longer found, and a truncated character is invalid UTF-8, which
// Temporal refuses.
//
// Line, Lines and Tail clean and truncate. A Redactor also removes keys and the addresses
// of services.
package safetext

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Mark is put where a text was truncated.
const Mark = "…"

// Limits in characters (runes) for common places. A reason fits into a Temporal failure;
// the server keeps 4 KiB of one.
const (
	MaxReason  = 500
	MaxMessage = 2000
)

const (
	maxMarks  = 3 // combining marks on one letter; real scripts need no more
	joiner    = '\u200d'
	nonJoiner = '\u200c'
	escape    = '\u001b'
)

// Line returns s as one line of at most limit visible characters: valid UTF-8, without
// terminal sequences and without control, direction and invisible characters. Runs of white
// space become one space. Mark replaces removed text and counts as a character.
func Line(s string, limit int) string { return Cut(tidy(s, false), limit) }

// Lines is Line for text of several lines: it keeps line ends, tabs and runs of
// spaces.
func Lines(s string, limit int) string { return Cut(tidy(s, true), limit) }

// Clean is Line without a limit, for text of people or text that is limited elsewhere.
func Clean(s string) string { return tidy(s, false) }

// CleanLines is Lines without a limit.
func CleanLines(s string) string { return tidy(s, true) }

// Tail keeps the end of a text of several lines, where a process reports why it ended.
func Tail(s string, limit int) string {
	s = strings.TrimSpace(tidy(s, true))
	over := utf8.RuneCountInString(s) - limit
	if over <= 0 {
		return s
	}
	rest := s
	for dropped := 0; dropped <= over && rest != ""; { // one more, for the mark
		width := step(rest)
		dropped += utf8.RuneCountInString(rest[:width])
		rest = rest[width:]
	}
	return Mark + rest
}

// Middle keeps the beginning and the end of one line: the end of a path is the most useful
// part.
func Middle(s string, limit int) string {
	s = tidy(s, false)
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	head := strings.TrimSuffix(Cut(s, limit/3+1), Mark)
	return head + Tail(s, limit-utf8.RuneCountInString(head))
}

// Cut truncates clean text to at most limit characters. It never cuts within one visible
// character, such as a letter with its accents, a flag or a family of joined emoji.
func Cut(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	end, runes := 0, 0
	for end < len(s) {
		width := step(s[end:])
		n := utf8.RuneCountInString(s[end : end+width])
		if runes+n > limit-1 {
			break
		}
		end, runes = end+width, runes+n
	}
	return strings.TrimRight(s[:end], " \t\n") + Mark
}

// step is the width in bytes of the first visible character. An extremely long one is split
// between its runes.
func step(s string) int {
	const most = 64 // bytes; the longest emoji sequence has 35
	if s[0] < utf8.RuneSelf && (len(s) == 1 || s[1] < utf8.RuneSelf) {
		return 1
	}
	window := s[:min(len(s), 4*most)]
	cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(window, -1)
	if len(cluster) <= most {
		return len(cluster)
	}
	_, width := utf8.DecodeRuneInString(s)
	return width
}

// tidy is the only place that decides which characters may be shown.
func tidy(s string, lines bool) string {
	if plain(s) {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	space, marks := false, 0
	for i := 0; i < len(s); {
		r, width := utf8.DecodeRuneInString(s[i:])
		if n := sequence(s[i:], r); n > 0 {
			i += n
			continue
		}
		i += width
		switch {
		case lines && (r == '\n' || r == '\t'):
			marks = 0
		case lines && r == '\r':
			if !strings.HasPrefix(s[i:], "\n") {
				out.WriteByte('\n') // a terminal would overwrite the line
			}
			continue
		case unicode.IsSpace(r):
			if !lines || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
				space = true
				continue
			}
		case r == joiner || r == nonJoiner: // hold emoji together, spell Persian
		case !visible(r):
			continue
		case unicode.IsMark(r):
			if marks++; marks > maxMarks {
				continue
			}
		default:
			marks = 0
		}
		if space && out.Len() > 0 {
			out.WriteByte(' ')
		}
		space = false
		out.WriteRune(r) // a broken byte has become U+FFFD
	}
	return out.String()
}

// plain reports whether nothing must be changed, as in most texts.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f || s[i] == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' ') {
			return false
		}
	}
	return true
}

// visible reports whether r is visible: not a control, format, private-use or unassigned
// character, and not a letter without a shape.
func visible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// sequence returns the length of the terminal sequence at the beginning of s (ECMA-48),
// whose first rune is r; 0 = none. A sequence without an end is only as long as its
// introducer, so that it cannot hide the rest of a text.
func sequence(s string, r rune) int {
	rest, width := s, 0
	switch r {
	case escape:
		if len(s) < 2 {
			return 1
		}
		r, width = rune(s[1])+0x40, 2
		if s[1] < '@' || s[1] > '_' { // such as ESC ( B
			end := 1
			for end < len(s) && s[end] >= ' ' && s[end] <= '/' {
				end++
			}
			if end < len(s) && s[end] > ' ' && s[end] < 0x7f {
				end++
			}
			return end
		}
	case '\u0090', '\u0098', '\u009b', '\u009d', '\u009e', '\u009f':
		width = utf8.RuneLen(r)
	default:
		return 0
	}
	rest = s[width:]
	switch r {
	case '\u009b': // CSI … final byte
		for i := range len(rest) {
			switch c := rest[i]; {
			case c >= '@' && c <= '~':
				return width + i + 1
			case c < ' ' || c > '~':
				return width
			}
		}
	case '\u0090', '\u0098', '\u009d', '\u009e', '\u009f': // a string up to BEL or ST
		for i := 0; i < len(rest) && i < 4096; i++ {
			switch {
			case rest[i] == '\a':
				return width + i + 1
			case strings.HasPrefix(rest[i:], "\x1b\\"), strings.HasPrefix(rest[i:], "\u009c"):
				return width + i + 2
			case rest[i] == '\n' || rest[i] == escape:
				return width
			}
		}
	}
	return width
}
