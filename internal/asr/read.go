package asr

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// spoken holds the used fields of an answer in verbose_json. Other fields, of whatever
// type, do not make a paid answer unusable.
type spoken struct {
	Language json.RawMessage `json:"language"`
	Text     json.RawMessage `json:"text"`
	Segments json.RawMessage `json:"segments"`
}

type segment struct {
	Start seconds         `json:"start"`
	End   seconds         `json:"end"`
	Text  json.RawMessage `json:"text"`

	NoSpeech   seconds `json:"no_speech_prob"`
	LogProb    seconds `json:"avg_logprob"`
	Compressed seconds `json:"compression_ratio"`
}

// Limits of Whisper's own decoder: it takes a segment for silence when it is likely none and
// the words are unlikely, and one that compresses well for a loop.
const (
	noSpeech   = 0.6
	logProb    = -1.0
	compressed = 2.4
)

// invented reports words that nobody said, which Whisper writes for silence and music. Servers
// that send no probabilities have already left such segments out, or cannot tell.
func (s segment) invented() bool {
	if s.Compressed.known && s.Compressed.at > compressed && s.LogProb.known && s.LogProb.at < logProb {
		return true
	}
	return s.NoSpeech.known && s.NoSpeech.at > noSpeech && s.LogProb.known && s.LogProb.at < logProb
}

// seconds is a number, such as a time, which some servers send as a text.
type seconds struct {
	at    float64
	known bool
}

// UnmarshalJSON never fails: an unreadable time is unknown.
func (s *seconds) UnmarshalJSON(data []byte) error {
	at, err := strconv.ParseFloat(strings.TrimSuffix(strings.Trim(string(data), `"`), "s"), 64)
	*s = seconds{at, err == nil && !math.IsNaN(at) && !math.IsInf(at, 0)}
	return nil
}

// read reads the transcript of a piece of sound of length milliseconds.
func read(r *safetext.Redactor, s video.Stage, body []byte, length int64) (video.Transcript, error) {
	bad := func(reason string) (video.Transcript, error) {
		return video.Transcript{}, fault.New(fault.Transport, op, s.Model, reason)
	}
	var said spoken
	if json.Unmarshal(body, &said) != nil {
		return bad("the answer is not an object")
	}
	whole, ok := text(said.Text)
	if !ok {
		return bad("the field text of the answer must be a string")
	}
	var segments []segment
	if len(said.Segments) > 0 && json.Unmarshal(said.Segments, &segments) != nil {
		if segments = nil; whole == "" {
			return bad("the segments of the answer are not a list, or have no times")
		}
	}
	if len(said.Text) == 0 && len(said.Segments) == 0 {
		return bad("the answer has neither a text nor segments")
	}
	out := video.Transcript{Model: s.Model, CostMicroUSD: s.CostMicroUSD, Segments: []video.Segment{}}
	out.Language, _ = text(said.Language)
	for _, g := range segments {
		words, ok := text(g.Text)
		switch {
		case !ok:
			return bad("the field text of a segment must be a string")
		case !g.Start.known || !g.End.known:
			return bad("a segment of the answer has no times")
		}
		start, end := milliseconds(g.Start.at, length), milliseconds(g.End.at, length)
		if end < start {
			return bad("the answer has a segment that ends before it starts")
		}
		if words != "" && start < length && !g.invented() && !looped(out.Segments, words) {
			out.Segments = append(out.Segments, video.Segment{StartMS: start, EndMS: max(end, start+1), Text: strings.ToValidUTF8(words, "�")})
		}
	}
	if len(segments) == 0 && whole != "" { // a server without segments
		out.Segments = append(out.Segments, video.Segment{EndMS: length, Text: strings.ToValidUTF8(whole, "�")})
	}
	slices.SortStableFunc(out.Segments, func(a, b video.Segment) int { return int(a.StartMS - b.StartMS) })
	redact(r, &out)
	return out, nil
}

// looped reports a text that was already written twice in a row: a model that hears nothing
// repeats itself.
func looped(before []video.Segment, text string) bool {
	n := len(before)
	return n >= 2 && before[n-1].Text == text && before[n-2].Text == text
}

// redact removes keys, including those that are spread over segments.
func redact(r *safetext.Redactor, t *video.Transcript) {
	t.Language = r.Keys(t.Language)
	var texts []string
	for _, g := range t.Segments {
		texts = append(texts, g.Text)
	}
	kept := t.Segments[:0]
	for i, text := range r.Parts(texts) {
		if t.Segments[i].Text = strings.TrimSpace(text); t.Segments[i].Text != "" {
			kept = append(kept, t.Segments[i])
		}
	}
	t.Segments = kept
}

// text is a text without surrounding space; a missing one or null is empty.
func text(data json.RawMessage) (trimmed string, ok bool) {
	var s *string
	if len(data) > 0 && json.Unmarshal(data, &s) != nil {
		return "", false
	}
	if s == nil {
		return "", true
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' { // some stores end a text at a NUL byte
			return -1
		}
		return r
	}, *s)), true
}
