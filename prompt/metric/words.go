package metric

import (
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/cogniverse/cogflow/prompt/python"
)

// punctuation is Python's string.punctuation.
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// A word consists of letters, digits and underscores; Go's \b supports ASCII only.
var article = regexp.MustCompile(`(^|[^\p{L}\p{N}_])(?:a|an|the)($|[^\p{L}\p{N}_])`)

// normalize removes differences of case, punctuation, articles and white space, as DSPy's
// normalize_text does.
func normalize(text string) string {
	text = strings.ToLower(norm.NFD.String(text))
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune(punctuation, r) {
			return -1
		}
		return r
	}, text)
	for { // matches of two consecutive articles would overlap in the space between them
		without := article.ReplaceAllString(text, "$1 $2")
		if without == text {
			break
		}
		text = without
	}
	return strings.Join(strings.FieldsFunc(text, python.IsSpace), " ")
}

// f1 is the harmonic mean of the shares of common words in both texts.
func f1(got, want string) float64 {
	g, w := strings.Fields(normalize(got)), strings.Fields(normalize(want))
	counts := map[string]int{}
	for _, word := range g {
		counts[word]++
	}
	same := 0
	for _, word := range w {
		if counts[word] > 0 {
			counts[word]--
			same++
		}
	}
	if same == 0 {
		return 0
	}
	precision, recall := float64(same)/float64(len(g)), float64(same)/float64(len(w))
	return 2 * precision * recall / (precision + recall)
}
