package preview

import (
	"cmp"
	"image"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Tesseract also finds "words" in nets, leaves and hair, but with low confidence: on
// real frames such words had at most 86 %, except some of two letters, while real
// words mostly had 90 % or more. A line is kept when one of its words has a high
// confidence; its other words are then kept at a lower one.
const (
	sureWord  = 88.0 // of three letters and more
	surePair  = 95.0 // of two letters
	wordInUse = 60.0
	maxText   = 2000 // bytes
)

// line is one line of text and its position, in hundredths of a per cent of
// the frame.
type line struct {
	words []string
	box   image.Rectangle
	sure  bool
}

const whole = 10000 // the width and height of a frame, for boxes

// parseTSV keeps the lines that are most likely text.
func parseTSV(tsv []byte, p plane) []line {
	var lines []line
	last, now := "", line{}
	flush := func() {
		if now.sure {
			lines = append(lines, now)
		}
		now = line{}
	}
	for row := range strings.Lines(string(tsv)) {
		f := strings.SplitN(strings.TrimRight(row, "\r\n"), "\t", 12)
		if len(f) < 12 || f[0] != "5" {
			continue
		}
		if id := strings.Join(f[1:5], "."); id != last { // page, block, paragraph, line
			flush()
			last = id
		}
		confidence, err := strconv.ParseFloat(f[10], 64)
		if err != nil || !(confidence >= wordInUse) {
			continue
		}
		word := clean(f[11])
		letters, all := count(word)
		if letters < 2 || letters*3 < all*2 {
			continue
		}
		now.words = append(now.words, word)
		now.box = now.box.Union(wordBox(f[6:10], p))
		now.sure = now.sure || confidence >= surePair || letters > 2 && confidence >= sureWord
	}
	flush()
	return lines
}

// wordBox reads left, top, width and height.
func wordBox(f []string, p plane) image.Rectangle {
	var v [4]int
	for i := range v {
		n, err := strconv.Atoi(f[i])
		if err != nil || n < 0 || n > 1<<20 {
			return image.Rectangle{}
		}
		v[i] = n
	}
	return image.Rect(v[0]*whole/p.w, v[1]*whole/p.h, (v[0]+v[2])*whole/p.w, (v[1]+v[3])*whole/p.h)
}

// merge adds the lines of the second pass that are at other positions to those of the
// first, in reading order, and joins them into one text.
func merge(first, second []line) string {
	all := slices.Clone(first)
	for _, l := range second {
		if !slices.ContainsFunc(first, func(f line) bool { return f.box.Overlaps(l.box) }) {
			all = append(all, l)
		}
	}
	slices.SortStableFunc(all, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.box.Min.Y, b.box.Min.Y), cmp.Compare(a.box.Min.X, b.box.Min.X))
	})
	var words []string
	for _, l := range all {
		words = append(words, l.words...)
	}
	text := strings.Join(words, " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}

// clean keeps printable characters only.
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
