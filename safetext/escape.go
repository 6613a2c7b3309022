package safetext

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// levels is the maximum of nested escapes that are read: a URL in a JSON message that a
// proxy puts as a text into its own JSON.
const levels = 3

// next reads one character of s at i through a number of levels of escaping: \u0041, \x41,
// \/, %41 and &#65;. It returns -1 for an invisible character, and the position of the next
// one.
func next(s string, i, level int) (rune, int) {
	if level == 0 {
		r, width := utf8.DecodeRuneInString(s[i:])
		if !visible(r) && r != utf8.RuneError {
			r = -1
		}
		return r, i + width
	}
	r, end := next(s, i, level-1)
	switch r {
	case '\\':
		if c, to, ok := backslash(s, end, level-1); ok {
			return c, to
		}
	case '%':
		if c, to, ok := code(s, end, level-1, 2); ok {
			return c, to
		}
	case '&':
		if c, to, ok := entity(s, end, level-1); ok {
			return c, to
		}
	}
	return r, end
}

// backslash reads what follows a backslash.
func backslash(s string, at, level int) (rune, int, bool) {
	if at >= len(s) {
		return 0, 0, false
	}
	c, end := next(s, at, level)
	switch c {
	case 'u':
		return code(s, end, level, 4)
	case 'U':
		return code(s, end, level, 8)
	case 'x':
		return code(s, end, level, 2)
	case 'n', 'r', 't', 'b', 'f':
		return -1, end, true
	case '/', '"', '\'', '\\':
		return c, end, true
	}
	return 0, 0, false
}

// code reads a character that is written as a number of hex digits.
func code(s string, at, level, digits int) (rune, int, bool) {
	var text [8]byte
	for n := range digits {
		if at >= len(s) {
			return 0, 0, false
		}
		var c rune
		if c, at = next(s, at, level); c < '0' || c > 'f' {
			return 0, 0, false
		}
		text[n] = byte(c) //nolint:gosec // at most 'f'
	}
	value, err := strconv.ParseUint(string(text[:digits]), 16, 31)
	if err != nil {
		return 0, 0, false
	}
	if r := rune(value); r >= ' ' && visible(r) { //nolint:gosec // 31 bits
		return r, at, true
	}
	return -1, at, true
}

// entity reads an HTML entity.
func entity(s string, at, level int) (rune, int, bool) {
	var name strings.Builder
	for name.Len() <= 8 && at < len(s) {
		var c rune
		if c, at = next(s, at, level); c == ';' {
			break
		}
		if c < 0 || c > 'z' {
			return 0, 0, false
		}
		name.WriteRune(c)
	}
	switch text := name.String(); {
	case text == "amp":
		return '&', at, true
	case text == "lt":
		return '<', at, true
	case text == "gt":
		return '>', at, true
	case text == "quot":
		return '"', at, true
	case text == "apos":
		return '\'', at, true
	case strings.HasPrefix(text, "#"):
		digits, base := text[1:], 10
		if strings.HasPrefix(strings.ToLower(digits), "x") {
			digits, base = digits[1:], 16
		}
		if value, err := strconv.ParseUint(digits, base, 31); err == nil {
			return rune(value), at, true //nolint:gosec // 31 bits
		}
	}
	return 0, 0, false
}
