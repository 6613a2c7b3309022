package passage

import (
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/video"
)

// Lengths of a passage. Embedding models take 256 tokens and more, and a hit should lead to
// the second at which something is said.
const (
	enoughWords = 8 // a sentence that ends after so many words ends the passage
	enoughMS    = 5_000
	maxWords    = 64 // a sentence is cut only where it is longer
	maxMS       = 30_000
	pauseMS     = 3_000 // a longer silence ends a passage
)

// Cut cuts speech into passages at the ends of sentences, at silences and where the language
// changes. Passages are in order of time, and no two begin at the same millisecond.
func Cut(said []Said) []video.Passage {
	var out []video.Passage
	var open *video.Passage
	words := 0
	for _, s := range said {
		for _, u := range sentences(s) {
			n := countWords(u.Text)
			if open != nil && ends(*open, words, u, n) {
				out, open = append(out, *open), nil
			}
			if open == nil {
				open, words = &video.Passage{Segment: u.Segment, Language: u.Language}, n
				continue
			}
			open.Text += " " + u.Text
			open.EndMS = max(open.EndMS, u.EndMS)
			words += n
		}
	}
	if open != nil {
		out = append(out, *open)
	}
	for i := 1; i < len(out); i++ {
		out[i].StartMS = max(out[i].StartMS, out[i-1].StartMS+1)
		out[i].EndMS = max(out[i].EndMS, out[i].StartMS+1)
	}
	return out
}

// ends reports whether a passage is over before the next unit of n words.
func ends(open video.Passage, words int, next Said, n int) bool {
	switch {
	case next.Language != open.Language, next.StartMS-open.EndMS >= pauseMS:
		return true
	case words+n > maxWords, next.EndMS-open.StartMS > maxMS:
		return true
	}
	return sentenceEnd(open.Text) && (words >= enoughWords || open.EndMS-open.StartMS >= enoughMS)
}

// sentences splits a segment at the ends of its sentences, and a sentence that is longer than
// a passage at words. The time of each part is its share of the letters.
func sentences(s Said) []Said {
	text := strings.Join(strings.Fields(s.Text), " ")
	var parts []string
	for _, sentence := range splitSentences(text) {
		parts = append(parts, splitWords(sentence)...)
	}
	total := 0
	for _, p := range parts {
		total += len(p)
	}
	out := make([]Said, 0, len(parts))
	length, done := s.EndMS-s.StartMS, 0
	for _, p := range parts {
		from := s.StartMS + length*int64(done)/int64(total)
		done += len(p)
		out = append(out, Said{
			Segment:  video.Segment{StartMS: from, EndMS: max(s.StartMS+length*int64(done)/int64(total), from+1), Text: p},
			Language: s.Language,
		})
	}
	return out
}

// splitSentences splits a text behind each sentence end that a space follows, and behind a
// full-width one.
func splitSentences(text string) (out []string) {
	runes := []rune(text)
	from := 0
	for i, r := range runes {
		last := i+1 == len(runes)
		if strings.ContainsRune("。！？", r) || strings.ContainsRune(".!?…।؟", r) && !last && runes[i+1] == ' ' && !abbreviated(runes[from:i+1]) || last {
			if part := strings.TrimSpace(string(runes[from : i+1])); part != "" {
				out = append(out, part)
			}
			from = i + 1
		}
	}
	return out
}

// abbreviated reports a text that ends with one letter and a full stop, such as an initial.
func abbreviated(text []rune) bool {
	n := len(text)
	return text[n-1] == '.' && n >= 2 && unicode.IsLetter(text[n-2]) && (n == 2 || !unicode.IsLetter(text[n-3]) && !unicode.IsNumber(text[n-3]))
}

// splitWords splits a sentence that is too long for a passage: at spaces, or between letters
// of languages without spaces.
func splitWords(sentence string) []string {
	if countWords(sentence) <= maxWords {
		return []string{sentence}
	}
	var out []string
	var part strings.Builder
	for _, token := range tokens(sentence) {
		if part.Len() > 0 && countWords(part.String()+token) > maxWords {
			out = append(out, strings.TrimSpace(part.String()))
			part.Reset()
		}
		part.WriteString(token)
	}
	return append(out, strings.TrimSpace(part.String()))
}

// tokens are the words of a text, each with the space before it, and the letters of scripts
// without spaces.
func tokens(text string) (out []string) {
	var word strings.Builder
	for _, r := range text {
		if word.Len() > 0 && (unicode.IsSpace(r) || dense(r)) {
			out = append(out, word.String())
			word.Reset()
		}
		word.WriteRune(r)
	}
	return append(out, word.String())
}

// dense reports the letters of scripts that are written without spaces.
func dense(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// countWords counts words. Two letters of a script without spaces count as one word.
func countWords(text string) int {
	letters, words, inside := 0, 0, false
	for _, r := range text {
		switch {
		case dense(r):
			letters, inside = letters+1, false
		case unicode.IsSpace(r):
			inside = false
		case !inside:
			words, inside = words+1, true
		}
	}
	return words + (letters+1)/2
}

// sentenceEnd reports whether a text ends with the end of a sentence.
func sentenceEnd(text string) bool {
	text = strings.TrimRight(text, `"'”’»）)」』 `)
	return text != "" && strings.ContainsRune(".!?…。！？।؟", []rune(text)[len([]rune(text))-1])
}
