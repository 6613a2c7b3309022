package terms

import (
	"slices"
	"strings"
)

// maxPhrase is the longest run of characters that is also searched as a whole.
const maxPhrase = 16

// Phrase is what a query looks for: one term, or characters next to each other.
type Phrase struct {
	Terms []string
	// Character tells that the terms are single characters.
	Character bool
}

// grams says how a query splits neighbouring characters of one script. A sequence of at most
// `whole` is a word and stays whole; a longer one is split into overlapping pieces of n.
// Most Chinese words and Korean stems have two characters. The other scripts write a
// syllable or a sound per character, so that shorter pieces are in too many words.
func grams(s script) (whole, n int) {
	switch s {
	case han, hangul:
		return 2, 2
	case hiragana:
		return 3, 3
	case katakana:
		return 6, 3
	case syllabic:
		return 5, 3
	default:
		return maxPhrase, maxPhrase
	}
}

// Query returns what a text looks for, without duplicates, at most limit phrases. A document
// matches if it has any of them. A run of characters is searched in pieces, because it may
// hold several words, and as a whole, because the best match has the run as it is.
func Query(text string, limit int) []Phrase {
	q := query{limit: limit, seen: map[string]bool{}}
	var run []Token
	Tokens(text, func(t Token) {
		if !t.Joined {
			q.addRun(run)
			run = run[:0]
		}
		run = append(run, t)
	})
	q.addRun(run)
	return q.phrases
}

type query struct {
	limit   int
	seen    map[string]bool
	phrases []Phrase
}

func (q *query) add(tokens []Token) {
	p := Phrase{Character: tokens[0].Character()}
	for _, t := range tokens {
		p.Terms = append(p.Terms, t.Text)
	}
	key := strings.Join(p.Terms, " ")
	if len(q.phrases) < q.limit && !q.seen[key] {
		q.seen[key] = true
		q.phrases = append(q.phrases, p)
	}
}

// addRun adds the pieces of joined characters.
func (q *query) addRun(run []Token) {
	if len(run) == 0 {
		return
	}
	var pieces [][]Token
	for rest := run; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(t Token) bool { return t.script != rest[0].script })
		if n < 0 {
			n = len(rest)
		}
		// A single hiragana within other characters is a particle or an ending.
		if rest[0].script != hiragana || n > 1 || len(run) == 1 {
			pieces = append(pieces, split(rest[:n])...)
		}
		rest = rest[n:]
	}
	for _, piece := range pieces {
		q.add(piece)
	}
	if len(run) <= maxPhrase {
		q.add(run)
	}
}

func split(sequence []Token) (pieces [][]Token) {
	whole, n := grams(sequence[0].script)
	if sequence[0].script == word || len(sequence) <= whole {
		return [][]Token{sequence}
	}
	for from := 0; from+n <= len(sequence); from++ {
		pieces = append(pieces, sequence[from:from+n])
	}
	return pieces
}
