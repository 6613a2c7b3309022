package vespa

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/index"
	"github.com/cogniverse/cogflow/video"
)

// filter is the condition of documents that a query can find, whatever its words.
func filter(q video.Query, exclude []edition, full map[video.ID]bool, parameters map[string]any) string {
	parameters["tenant"] = string(q.Tenant)
	if len(q.Filter.Kinds) > 0 {
		parameters["speech"], parameters["audio"] = string(video.SpeechDocument), string(video.AudioDocument)
	}
	conditions := []string{"published = 1", "late = 0", "tenant contains @tenant"}
	add := func(format string, args ...any) { conditions = append(conditions, fmt.Sprintf(format, args...)) }
	for i, e := range exclude {
		parameters[fmt.Sprintf("v%d", i)], parameters[fmt.Sprintf("g%d", i)] = string(e.video), e.generation
		add("!(video_id contains @v%[1]d and generation contains @g%[1]d)", i)
	}
	for i, v := range slices.Sorted(maps.Keys(full)) {
		parameters[fmt.Sprintf("x%d", i)] = string(v)
		add("!(video_id contains @x%d)", i)
	}
	var videos []string
	for i, v := range q.Filter.Videos {
		parameters[fmt.Sprintf("f%d", i)] = v
		videos = append(videos, fmt.Sprintf("video_id contains @f%d", i))
	}
	if len(videos) > 0 {
		add("(%s)", strings.Join(videos, " or "))
	}
	kinds(q.Filter.Kinds, add)
	var languages []string
	for i, l := range q.Filter.Languages {
		parameters[fmt.Sprintf("l%d", i)] = l
		languages = append(languages, fmt.Sprintf("language contains @l%d", i))
	}
	if len(languages) > 0 {
		add("(%s)", strings.Join(languages, " or "))
	}
	seconds := func(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64) }
	if q.Filter.ToMS != 0 {
		add("start_time < %s", seconds(q.Filter.ToMS))
	}
	if q.Filter.FromMS != 0 { // a range without a length is a moment, see video.Filter
		add("(end_time > %[1]s or start_time >= %[1]s)", seconds(q.Filter.FromMS))
	}
	return strings.Join(conditions, " and ")
}

// kinds adds the condition of the kinds. Frames have none in Vespa, so that a search which
// includes them excludes the other kinds.
func kinds(wanted []video.Kind, add func(format string, args ...any)) {
	if len(wanted) == 0 {
		return
	}
	frames := slices.Contains(wanted, video.FrameDocument)
	var either []string
	for _, k := range []video.Kind{video.SpeechDocument, video.AudioDocument} {
		switch found := slices.Contains(wanted, k); {
		case frames && !found:
			add("!(kind contains @%s)", k)
		case !frames && found:
			either = append(either, "kind contains @"+string(k))
		}
	}
	if len(either) > 0 {
		add("(%s)", strings.Join(either, " or "))
	}
}

// listed requests one ranked list, with the hits of each video that the filter allows.
func (x *Index) listed(ctx context.Context, s *schema, q video.Query, l listing, exclude []edition) ([]candidate, error) {
	if q.Filter.PerVideo == 0 {
		list, err := x.list(ctx, s, q, l, exclude, nil)
		return l.telling(list), err
	}
	n := l.hits
	l.hits = rankDepth
	found, err := index.PerVideo(n, q.Filter.PerVideo, candidate.videoID, func(full map[video.ID]bool) ([]candidate, bool, error) {
		list, err := x.list(ctx, s, q, l, exclude, full)
		return l.telling(list), len(list) < rankDepth, err
	})
	slices.SortStableFunc(found, best)
	return found[:min(n, len(found))], err
}

func (c candidate) videoID() video.ID { return c.Video }
