package preview

import (
	"strconv"
	"strings"
	"unicode"
)

// Tesseract finds "words" in nets, leaves and hair too, and is then unsure: on
// real frames such words had at most 86 % confidence, real ones mostly 90 and
// more. A line counts when a word in it is sure; then its lesser words do too.
const (
	sureWord  = 88.0
	wordInUse = 60.0
	maxText   = 2000 // bytes; a frame is no book
)

// parseTSV keeps the lines that are most likely text, in the order found.
func parseTSV(tsv []byte) string {
	var lines, words []string
	line, sure := "", false
	flush := func() {
		if sure {
			lines = append(lines, strings.Join(words, " "))
		}
		words, sure = nil, false
	}
	for row := range strings.Lines(string(tsv)) {
		f := strings.SplitN(strings.TrimRight(row, "\r\n"), "\t", 12)
		if len(f) < 12 || f[0] != "5" {
			continue
		}
		if id := strings.Join(f[1:5], "."); id != line { // page, block, paragraph, line
			flush()
			line = id
		}
		confidence, err := strconv.ParseFloat(f[10], 64)
		if err != nil || confidence < wordInUse {
			continue
		}
		word := clean(f[11])
		if letters, all := count(word); letters >= 2 && letters*3 >= all*2 {
			words = append(words, word)
			sure = sure || confidence >= sureWord
		}
	}
	flush()
	text := strings.Join(lines, " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return strings.TrimSpace(text)
}

// clean leaves what can be printed.
func clean(word string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, word)
}

func count(word string) (letters, all int) {
	for _, r := range word {
		all++
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			letters++
		}
	}
	return letters, all
}
