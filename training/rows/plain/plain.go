// Package plain compares texts as people read them.
package plain

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Normal is the form in which questions are compared: without case, repeated white space,
// invisible characters and punctuation at the end, whether characters are composed or not,
// and narrow or wide.
func Normal(text string) string {
	if isASCII(text) {
		text = strings.ToLower(text)
	} else {
		text = cases.Fold().String(norm.NFC.String(width.Fold.String(text)))
		text = norm.NFC.String(strings.Map(visible, text))
	}
	return strings.TrimRight(strings.Join(strings.Fields(text), " "), " .?!,;:。、…؟؛।")
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// visible drops a character that no reader sees.
func visible(r rune) rune {
	if invisible(r) {
		return -1
	}
	return r
}

// invisible reports marks such as the zero-width space and the byte order mark, and letters
// that only fill a place.
func invisible(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u2800', '\u3164', '\uffa0':
		return true
	}
	return unicode.Is(unicode.Cf, r)
}

// IsBlank reports whether a text has nothing that a reader sees.
func IsBlank(text string) bool { return Trim(text) == "" }

// Trim removes white space and invisible characters around a text.
func Trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) })
}
