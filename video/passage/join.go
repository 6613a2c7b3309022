// Package passage turns transcripts into passages: stretches of speech of a sentence or a few,
// which are searched on their own. It knows no store, model or index.
package passage

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/cogniverse/cogflow/video"
)

// Piece is the transcript of one piece of a video's sound.
type Piece struct {
	StartMS int64 // of the piece in the video
	EndMS   int64 // exclusive
	video.Transcript
}

// Said is a stretch of speech. Times count from the start of the video.
type Said struct {
	video.Segment
	Language string // ISO 639-1, or as the model named it; empty = unknown
}

// edgeMS is how near to the cut edge of a piece a segment counts as possibly cut.
const edgeMS = 300

// Join puts the transcripts of pieces that overlap together, in order of time. What both
// transcripts have is taken once: from the earlier piece while its segments are whole, then
// from the later one.
func Join(pieces []Piece) []Said {
	var out []Said
	for i, p := range pieces {
		said := inVideo(p)
		if i > 0 && pieces[i-1].EndMS > p.StartMS {
			out, said = seam(out, said, p.StartMS, pieces[i-1].EndMS)
		}
		out = append(out, said...)
	}
	slices.SortStableFunc(out, func(a, b Said) int { return int(a.StartMS - b.StartMS) })
	return out
}

// inVideo counts the times of a piece from the start of the video.
func inVideo(p Piece) []Said {
	out := make([]Said, 0, len(p.Segments))
	for _, s := range p.Segments {
		s.StartMS, s.EndMS = s.StartMS+p.StartMS, s.EndMS+p.StartMS
		out = append(out, Said{Segment: s, Language: Language(p.Language)})
	}
	return out
}

// seam removes from two transcripts what both have of the time from start to end, in which
// both pieces have sound.
func seam(before, after []Said, start, end int64) (kept, rest []Said) {
	// The earlier transcript holds until its last segment that the end of its piece does not cut.
	cut := start
	for len(before) > 0 && before[len(before)-1].EndMS > end-edgeMS && before[len(before)-1].StartMS >= start {
		before = before[:len(before)-1]
	}
	if len(before) > 0 {
		cut = max(cut, before[len(before)-1].EndMS)
	}
	for len(after) > 0 && middle(after[0]) < cut {
		after = after[1:]
	}
	if len(before) > 0 && len(after) > 0 {
		last := &before[len(before)-1]
		if repeated := sameWords(last.Text, after[0].Text); repeated > 0 {
			after = slices.Clone(after)
			after[0].Text = strings.Join(strings.Fields(after[0].Text)[repeated:], " ")
			after[0].StartMS = max(after[0].StartMS, min(last.EndMS, after[0].EndMS-1))
			if after[0].Text == "" {
				after = after[1:]
			}
		}
	}
	return before, after
}

func middle(s Said) int64 { return (s.StartMS + s.EndMS) / 2 }

// sameWords is how many words at the start of b repeat the end of a. One word alone may be
// said twice.
func sameWords(a, b string) int {
	const atLeast = 2
	left, right := strings.Fields(a), strings.Fields(b)
	for n := min(len(left), len(right)); n >= atLeast; n-- {
		if slices.EqualFunc(left[len(left)-n:], right[:n], func(x, y string) bool { return plain(x) == plain(y) }) {
			return n
		}
	}
	return 0
}

// plain is a word without case and punctuation.
func plain(word string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.L, unicode.N, unicode.M) {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFKC.String(word))
}
