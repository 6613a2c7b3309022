// Package terms turns texts and queries into the terms of word search, equally for every
// index. A script that separates words by spaces gives words. Any other script gives
// single characters, and a query finds neighbours among them. The package does not know
// documents or ranking.
package terms

import (
	"unicode"
	"unicode/utf8"
)

// script is what decides how a character becomes a term.
type script uint8

const (
	other  script = iota // separates terms
	word                 // a letter or digit of a script with spaces between words
	mark                 // belongs to the character before it
	joiner               // joins two emoji into one
	han                  // one term each, as the other scripts that follow
	hiragana
	katakana
	hangul // has spaces, but endings are attached to a word, so its parts are searched
	syllabic
	emoji
)

// Token is one term of a text.
type Token struct {
	Text string
	// Joined tells that the term continues the one before it: both are characters that no
	// space or other character separates.
	Joined bool
	script script
}

// Character reports whether the term is one character of a script without spaces.
func (t Token) Character() bool { return t.script != word }

// Tokens yields the terms of a text in their order, folded; see Fold.
func Tokens(text string, yield func(Token)) {
	text = Fold(text)
	last := other // script of the previous term, or other after a separator
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		s := scriptOf(r)
		end := at + size
		switch s {
		case other:
			last = other
		case mark: // without a character to belong to
		case joiner:
			if last != emoji {
				last = other
			}
		case word:
			for end < len(text) {
				next, size := utf8.DecodeRuneInString(text[end:])
				if of := scriptOf(next); of != word && of != mark {
					break
				}
				end += size
			}
			yield(Token{Text: text[at:end], script: word})
			last = other
		default:
			for end < len(text) {
				next, size := utf8.DecodeRuneInString(text[end:])
				if scriptOf(next) != mark {
					break
				}
				end += size
			}
			yield(Token{Text: text[at:end], Joined: joins(text[:at], last, s), script: s})
			last = s
		}
		at = end
	}
}

// joins reports whether a character continues the term before it. Scripts join, as they do
// within a Japanese word; an emoji joins only by a joiner, or as the second half of a flag.
func joins(before string, last, s script) bool {
	if last == other || (last == emoji) != (s == emoji) {
		return false
	}
	if s != emoji {
		return true
	}
	r, _ := utf8.DecodeLastRuneInString(before)
	return r == zeroWidthJoiner || unicode.Is(unicode.Regional_Indicator, r)
}

const zeroWidthJoiner = '\u200d'

func scriptOf(r rune) script {
	switch {
	case r < utf8.RuneSelf:
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return word
		}
		return other
	case r == zeroWidthJoiner:
		return joiner
	case r == utf8.RuneError:
		return other
	case unicode.Is(unicode.M, r):
		return mark
	case isEmoji(r):
		return emoji
	case !unicode.In(r, unicode.L, unicode.N):
		return other
	case r < 0x0e00: // Thai, the first of the scripts without spaces
		return word
	case r == 'ー' || unicode.Is(unicode.Katakana, r):
		return katakana
	case unicode.In(r, unicode.Han, unicode.Bopomofo):
		return han
	case unicode.Is(unicode.Hiragana, r):
		return hiragana
	case unicode.Is(unicode.Hangul, r):
		return hangul
	case unicode.In(r, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tai_Tham,
		unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Viet, unicode.Javanese, unicode.Balinese):
		return syllabic
	default:
		return word
	}
}

// isEmoji tells pictures from the other symbols, such as the lines of a box.
func isEmoji(r rune) bool {
	switch {
	case r >= 0x1f3fb && r <= 0x1f3ff: // skin tones
		return false
	case r >= 0x1f000 && r <= 0x1faff, r >= 0x2600 && r <= 0x27bf, r >= 0x231a && r <= 0x23ff, r >= 0x2b05 && r <= 0x2b55:
		return unicode.Is(unicode.So, r)
	default:
		return false
	}
}
