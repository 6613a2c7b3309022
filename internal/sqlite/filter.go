package sqlite

import (
	"context"
	"database/sql"
	"slices"

	"github.com/cogniverse/cogflow/internal/index"
	"github.com/cogniverse/cogflow/video"
)

// selection is the part of a view that a search looks at.
type selection struct {
	*view
	filter video.Filter
	off    []bool // segments of which no document is found; nil = none
}

// selected leaves out what the filter excludes, and the videos in full.
func (v *view) selected(f video.Filter, full map[video.ID]bool) *selection {
	s := &selection{view: v, filter: f}
	if len(f.Videos)+len(full) == 0 {
		return s
	}
	s.off = make([]bool, len(v.segments))
	for i, segment := range v.segments {
		s.off[i] = full[segment.video] || len(f.Videos) > 0 && !slices.Contains(f.Videos, string(segment.video))
	}
	return s
}

// excludes reports whether no document of a segment is found.
func (s *selection) excludes(segment int) bool { return s.off != nil && s.off[segment] }

// includes reports whether a document can be found.
func (s *selection) includes(at int32) bool {
	segment := int(s.owner[at])
	return !s.excludes(segment) && (!s.narrow() || s.document(segment, int(at-s.first[segment])))
}

// narrow reports whether the filter excludes some documents of a segment.
func (s *selection) narrow() bool {
	return s.filter.FromMS != 0 || s.filter.ToMS != 0 || s.filter.OfSpeech()
}

func (s *selection) document(segment, doc int) bool {
	a := s.segments[segment].about[doc]
	return s.filter.During(a.start, a.end) && s.filter.Of(video.Kind(a.kind), a.language)
}

// words ranks the n best documents by their words; see rankWords.
func (s *selection) words(ctx context.Context, text string, least float64, n int) ([]scored, error) {
	list, err := s.rankWords(ctx, text, least)
	return s.few(list, n), err
}

// few returns the n best of a list, as many of each video as the filter allows.
func (s *selection) few(list []scored, n int) []scored {
	if s.filter.PerVideo == 0 {
		return s.top(list, n)
	}
	list = index.Few(s.top(list, len(list)), s.filter.PerVideo, s.videoOf)
	return list[:min(n, len(list))]
}

// vectors ranks the n best documents by their vectors, the best `exact` of them exactly.
func (s *selection) vectors(ctx context.Context, tx *sql.Tx, q video.Query, exact, n int) ([]scored, error) {
	if s.filter.PerVideo == 0 {
		list, err := s.rankVectors(ctx, tx, q, exact, n)
		return s.top(list, n), err
	}
	list, err := index.PerVideo(n, s.filter.PerVideo, s.videoOf, func(full map[video.ID]bool) ([]scored, bool, error) {
		list, err := s.selected(s.filter, full).rankVectors(ctx, tx, q, exact, depth)
		return s.top(list, depth), len(list) < depth, err
	})
	return s.top(list, n), err
}

func (v *view) videoOf(s scored) video.ID { return v.segments[v.owner[s.at]].video }
