package video

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
)

// MaxFilterVideos is the maximum number of videos that one search can name.
const MaxFilterVideos = 100

const (
	maxFilterLanguages = 20
	maxLanguage        = 35 // bytes of a language tag
)

// Filter narrows a search. The zero value searches everything. It does not change scores:
// a document scores as it would among all documents of the profile.
type Filter struct {
	Videos    []string `json:"videos,omitempty"`    // SHA-256 or file names of the videos to search; default: all
	FromMS    int64    `json:"from_ms,omitempty"`   // only what lasts beyond this time of its video, in milliseconds
	ToMS      int64    `json:"to_ms,omitempty"`     // only what begins before this time, in milliseconds; 0 = no limit
	Kinds     []Kind   `json:"kinds,omitempty"`     // "frame", "speech" or "audio"; default: all
	Languages []string `json:"languages,omitempty"` // of speech, ISO 639-1; documents without a language are not found; default: all
	PerVideo  int      `json:"per_video,omitempty"` // maximum number of hits of one video; 0 = no limit
}

// Active reports whether the filter excludes anything.
func (f Filter) Active() bool {
	return len(f.Videos) > 0 || f.FromMS != 0 || f.ToMS != 0 || f.PerVideo != 0 || f.OfSpeech()
}

// Check refuses values that no document can match.
func (f Filter) Check() error {
	bad := func(key, reason string) error { return fault.New(fault.Input, "read input", key, reason) }
	switch {
	case len(f.Videos) > MaxFilterVideos:
		return bad("videos", "must be at most "+strconv.Itoa(MaxFilterVideos))
	case slices.Contains(f.Videos, ""):
		return bad("videos", "must not be empty names")
	case slices.ContainsFunc(f.Videos, func(v string) bool { return len(v) > MaxURI }):
		return bad("videos", "must have at most "+strconv.Itoa(MaxURI)+" bytes each")
	case f.FromMS < 0 || f.ToMS < 0:
		return bad("from_ms", "times must not be negative")
	case f.ToMS != 0 && f.ToMS <= f.FromMS:
		return bad("to_ms", "must be later than from_ms")
	case slices.ContainsFunc(f.Kinds, func(k Kind) bool { return !slices.Contains(Kinds(), k) }):
		return bad("kinds", "must be frame, speech or audio")
	case len(f.Languages) > maxFilterLanguages || slices.ContainsFunc(f.Languages, func(l string) bool { return l == "" || len(l) > maxLanguage }):
		return bad("languages", "must be at most "+strconv.Itoa(maxFilterLanguages)+" codes such as en")
	case f.PerVideo < 0:
		return bad("per_video", "must not be negative")
	}
	return nil
}

// OfSpeech reports whether the filter excludes documents by their kind or language.
func (f Filter) OfSpeech() bool { return len(f.Kinds) > 0 || len(f.Languages) > 0 }

// Of reports whether the filter has a kind and a language.
func (f Filter) Of(kind Kind, language string) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, cmp.Or(kind, FrameDocument))) &&
		(len(f.Languages) == 0 || slices.Contains(f.Languages, language))
}

// During reports whether a time range overlaps that of the filter. A range without a length
// is a moment.
func (f Filter) During(startMS, endMS int64) bool {
	return (f.ToMS == 0 || startMS < f.ToMS) && (endMS > f.FromMS || startMS >= f.FromMS)
}
