package terms

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold makes texts equal that differ only in case, accents, compatibility forms (full-width
// letters, half-width katakana, ligatures) or the form of their Unicode. Invalid bytes become
// spaces. Vowel signs stay in scripts that cannot be read without them.
func Fold(text string) string {
	if isASCII(text) {
		return strings.ToLower(text)
	}
	text = norm.NFKC.String(strings.ToValidUTF8(text, " "))
	text = norm.NFD.String(cases.Fold().String(text))
	var out strings.Builder
	out.Grow(len(text))
	for _, r := range text {
		if optional(r) {
			continue
		}
		if text := plain(r); text != "" {
			out.WriteString(text)
		} else {
			out.WriteRune(r)
		}
	}
	return norm.NFC.String(out.String())
}

// plain returns a Latin letter without a decomposition as it is written without the letter:
// a search for "Isparta" finds the Turkish dotless form, and one for "Lodz" the Polish one.
// It is empty for every other character.
func plain(r rune) string {
	switch r {
	case 'ı':
		return "i"
	case 'ø':
		return "o"
	case 'đ', 'ð':
		return "d"
	case 'ł':
		return "l"
	case 'ħ':
		return "h"
	case 'ŧ':
		return "t"
	case 'ŋ':
		return "n"
	case 'æ':
		return "ae"
	case 'œ':
		return "oe"
	case 'þ':
		return "th"
	default:
		return ""
	}
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// optional reports whether a text is read equally without a character.
func optional(r rune) bool {
	switch {
	case r < 0x00ad:
		return false
	case r == 0x00ad, r == 0x200c: // soft hyphen, zero-width non-joiner
		return true
	case r >= 0x0300 && r <= 0x036f: // accents
		return true
	case r >= 0x0591 && r <= 0x05bd, r >= 0x05c1 && r <= 0x05c2, r == 0x05bf, r == 0x05c7: // Hebrew points
		return true
	case r == 0x0640, r >= 0x064b && r <= 0x0655, r == 0x0670: // Arabic tatweel and vowel signs
		return true
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef: // variation selectors
		return true
	case r >= 0x1f3fb && r <= 0x1f3ff: // skin tones
		return true
	default:
		return false
	}
}
