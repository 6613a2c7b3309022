package dataset

import (
	"math"
	"unicode"
)

// Tokens per run of characters, fitted to the byte-level BPE of Qwen (152,000 tokens) on
// English chats and code and thirteen languages.
const (
	wordTokens       = 0.96 // a word of Latin letters without accents
	wordLetters      = 7    // letters without extra cost
	letterTokens     = 0.25 // each further letter
	digitTokens      = 1.1
	markTokens       = 0.75 // a run of punctuation
	moreMarksTokens  = 0.25 // each further mark
	lineTokens       = 0.9  // a run of line ends
	spaceTokens      = 0.8  // a run of spaces; a single one belongs to the word behind it
	symbolTokens     = 1    // anything else, emoji above all
	otherTokens      = 0.6  // a letter of a script without an entry in scriptTokens
	accentWordTokens = 0.5  // a letter of a word with accents
)

// scriptTokens is the number of tokens per letter of a script.
func scriptTokens(r rune) float64 {
	switch {
	case r >= 0x0370 && r < 0x0400: // Greek
		return 0.9
	case r >= 0x0400 && r < 0x0530: // Cyrillic
		return 0.4
	case r >= 0x0590 && r < 0x0700: // Hebrew, Arabic
		return 0.5
	case r >= 0x0900 && r < 0x0e00: // scripts of India
		return 1.05
	case r >= 0x3040 && r < 0x3100: // kana
		return 0.6
	case r >= 0x3400 && r < 0xa000: // Chinese characters
		return 0.7
	case r >= 0xac00 && r < 0xd7b0: // hangul
		return 0.9
	default:
		return otherTokens
	}
}

// EstimateTokens estimates the number of tokens of a text; a model's tokenizer is only
// available where it trains. Measured on English chats (1,299 rows of LLaMA-Factory's demo
// data): against Qwen's tokenizer the sum is 2 % too high, a row is off by 5 % on average
// and 19 of 20 by less than 15 %. Against GPT-2's (50,000 tokens) the sum is 4 % too low;
// such a small vocabulary takes 1.4 times the estimate for code and 2.5 times for Russian
// or Chinese.
func EstimateTokens(text string) int {
	n := 0.0
	var last runeKind
	letters, accents := 0, false
	endWord := func() {
		if accents {
			n += accentWordTokens * float64(letters)
		} else if letters > 0 {
			n += wordTokens + letterTokens*float64(max(0, letters-wordLetters))
		}
		letters, accents = 0, false
	}
	spaces := 0
	for _, r := range text {
		kind := kindOf(r)
		if kind != latinRune {
			endWord()
		}
		if kind != spaceRune {
			if spaces > 1 {
				n += spaceTokens
			}
			spaces = 0
		}
		switch kind {
		case latinRune:
			letters++
			accents = accents || r > unicode.MaxASCII
		case spaceRune:
			spaces++
		case lineRune:
			if last != lineRune {
				n += lineTokens
			}
		case digitRune:
			n += digitTokens
		case markRune:
			if last == markRune {
				n += moreMarksTokens
			} else {
				n += markTokens
			}
		case letterRune:
			n += scriptTokens(r)
		case symbolRune:
			n += symbolTokens
		}
		last = kind
	}
	endWord()
	return int(math.Ceil(n))
}

type runeKind int

const (
	symbolRune runeKind = iota
	latinRune
	spaceRune
	lineRune
	digitRune
	markRune
	letterRune
)

func kindOf(r rune) runeKind {
	switch {
	case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
		return latinRune
	case r == ' ' || r == '\t':
		return spaceRune
	case r == '\n' || r == '\r':
		return lineRune
	case r >= '0' && r <= '9':
		return digitRune
	case r > ' ' && r < 0x7f:
		return markRune
	case r < 0x250 && unicode.IsLetter(r) || r >= 0x1e00 && r < 0x1f00:
		return latinRune
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return letterRune
	default:
		return symbolRune
	}
}
