package video

import (
	"slices"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
)

// MaxFilterVideos is the maximum number of videos that one search can name.
const MaxFilterVideos = 100

// Filter narrows a search. The zero value searches everything. It does not change scores:
// a document scores as it would among all documents of the profile.
type Filter struct {
	Videos   []string `json:"videos,omitempty"`    // SHA-256 or file names of the videos to search; default: all
	FromMS   int64    `json:"from_ms,omitempty"`   // only what lasts beyond this time of its video, in milliseconds
	ToMS     int64    `json:"to_ms,omitempty"`     // only what begins before this time, in milliseconds; 0 = no limit
	PerVideo int      `json:"per_video,omitempty"` // maximum number of hits of one video; 0 = no limit
}

// Active reports whether the filter excludes anything.
func (f Filter) Active() bool {
	return len(f.Videos) > 0 || f.FromMS != 0 || f.ToMS != 0 || f.PerVideo != 0
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
	case f.PerVideo < 0:
		return bad("per_video", "must not be negative")
	}
	return nil
}

// During reports whether a time range overlaps that of the filter. A range without a length
// is a moment.
func (f Filter) During(startMS, endMS int64) bool {
	return (f.ToMS == 0 || startMS < f.ToMS) && (endMS > f.FromMS || startMS >= f.FromMS)
}
