package python

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsSpace is str.isspace of one character.
func IsSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// IsAlnum is str.isalnum of one character.
func IsAlnum(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// Strip is str.strip().
func Strip(s string) string { return strings.TrimFunc(s, IsSpace) }

// SplitLines is str.splitlines(): it recognizes more line ends than \n, and a line end at the
// end of the text does not start another line.
func SplitLines(s string) []string {
	var lines []string
	start := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !endsLine(r) {
			i += n
			continue
		}
		lines = append(lines, s[start:i])
		i += n
		if r == '\r' && i < len(s) && s[i] == '\n' {
			i++
		}
		start = i
	}
	if start < len(s) {
		lines = append(lines, s[start:])
	}
	return lines
}

func endsLine(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}

// CleanDoc is inspect.cleandoc: tabs become spaces, the common indentation of all lines
// except the first is removed, and so are empty lines at both ends.
func CleanDoc(s string) string {
	lines := strings.Split(expandTabs(s), "\n")
	margin := -1
	for _, line := range lines[1:] {
		content := strings.TrimLeftFunc(line, IsSpace)
		if content == "" {
			continue
		}
		if indent := utf8.RuneCountInString(line) - utf8.RuneCountInString(content); margin < 0 || indent < margin {
			margin = indent
		}
	}
	lines[0] = strings.TrimLeftFunc(lines[0], IsSpace)
	if margin > 0 {
		for i := range lines[1:] {
			lines[i+1] = dropRunes(lines[i+1], margin)
		}
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	return strings.Join(lines, "\n")
}

// expandTabs is str.expandtabs(8).
func expandTabs(s string) string {
	if !strings.Contains(s, "\t") {
		return s
	}
	var b strings.Builder
	column := 0
	for _, r := range s {
		switch r {
		case '\t':
			n := 8 - column%8
			b.WriteString(strings.Repeat(" ", n))
			column += n
		case '\n', '\r':
			b.WriteRune(r)
			column = 0
		default:
			b.WriteRune(r)
			column++
		}
	}
	return b.String()
}

func dropRunes(s string, n int) string {
	for range n {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	return s
}

// Dedent is textwrap.dedent: blank lines become empty, and the common leading blanks of all
// other lines are removed.
func Dedent(s string) string {
	lines := strings.Split(s, "\n")
	margin, first := "", true
	for i, line := range lines {
		content := strings.TrimLeft(line, " \t")
		if content == "" {
			lines[i] = ""
			continue
		}
		indent := line[:len(line)-len(content)]
		if first {
			margin, first = indent, false
		}
		margin = commonPrefix(margin, indent)
	}
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, margin)
	}
	return strings.Join(lines, "\n")
}

func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}
