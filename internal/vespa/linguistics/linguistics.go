// Package linguistics makes up for what Vespa's default tokenizer does not find: the
// characters of scripts without spaces, emoji, and letters that it does not fold. The
// package does not know schemas or requests.
package linguistics

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/cogniverse/cogflow/internal/index/terms"
)

// sign begins a word that stands for no letters. Texts practically never have it.
const sign = "ꙮ"

// Extra lists the terms of texts that Vespa would not index, in one text of words that its
// tokenizer splits only at the spaces. Terms of different runs are not adjacent.
func Extra(texts ...string) string {
	var out []string
	for _, text := range texts {
		known := Tokens(text)
		terms.Tokens(text, func(t terms.Token) {
			if !t.Character() && known[norm.NFC.String(t.Text)] > 0 {
				return
			}
			if !t.Joined && len(out) > 0 {
				out = append(out, sign)
			}
			out = append(out, Word(t.Text))
		})
	}
	return strings.Join(out, " ")
}

// Word is a term as Extra writes it. A symbol becomes a word, because tokenizers differ in
// whether they index symbols.
func Word(term string) string {
	r, _ := utf8.DecodeRuneInString(term)
	if unicode.Is(unicode.So, r) {
		return fmt.Sprintf("%s%x", sign, r)
	}
	return term
}

// Tokens counts the words that Vespa's SimpleLinguistics makes of a text without stemming.
func Tokens(text string) map[string]int {
	counts := map[string]int{}
	for _, word := range Split(text) {
		counts[word]++
	}
	return counts
}

// Split lists the words that Vespa's SimpleLinguistics makes of a text without stemming:
// runs of letters and digits, and single symbols.
func Split(text string) (words []string) {
	start := -1
	end := func(at int) {
		if start >= 0 {
			words = append(words, normal(text[start:at]))
		}
		start = -1
	}
	for at, r := range text {
		switch {
		case unicode.Is(unicode.So, r):
			end(at)
			words = append(words, normal(string(r)))
		case !unicode.In(r, unicode.L, unicode.N, unicode.Mn, unicode.Mc):
			end(at)
		case start < 0:
			start = at
		}
	}
	end(len(text))
	return words
}

// normal does what SimpleTokenizer.processToken does; terms compare it in NFC.
func normal(word string) string {
	lower := cases.Lower(language.Und, cases.HandleFinalSigma(true)) // as Java
	word = norm.NFD.String(lower.String(norm.NFKC.String(word)))
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if r >= 0x0300 && r <= 0x036f { // the block Combining Diacritical Marks
			return -1
		}
		return r
	}, word))
}
