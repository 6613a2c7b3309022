package indextest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// ranks are a query in each rank, with the same words and vector.
func ranks(text string, e video.Embedding) []video.Query {
	q := words(text)
	q.Embedding = e
	out := []video.Query{q, q, q}
	out[1].Rank, out[2].Rank = video.RankVector, video.RankHybrid
	return out
}

func testFilters(t *testing.T, x Index) {
	for _, name := range []string{"a", "b", "c"} {
		docs := clip(name, "1", "tram one", "tram two", "tram three", "tram four")
		for i := range docs {
			docs[i].Caption += " in " + name
		}
		publish(t, x, docs)
	}
	for _, q := range ranks("tram", unit(1)) {
		all := search(t, x, q)
		require.Len(t, all, 12)
		for name, c := range map[string]struct {
			filter video.Filter
			want   func(h video.Hit) bool
		}{
			"a video":        {video.Filter{Videos: []string{string(videoID("b"))}}, func(h video.Hit) bool { return h.Name == "b.mp4" }},
			"two videos":     {video.Filter{Videos: []string{string(videoID("a")), string(videoID("c"))}}, func(h video.Hit) bool { return h.Name != "b.mp4" }},
			"unknown":        {video.Filter{Videos: []string{string(videoID("z"))}}, func(video.Hit) bool { return false }},
			"from":           {video.Filter{FromMS: 2000}, func(h video.Hit) bool { return h.StartMS >= 2000 }},
			"within a range": {video.Filter{FromMS: 1500, ToMS: 2001}, func(h video.Hit) bool { return h.StartMS == 1000 || h.StartMS == 2000 }},
			"to":             {video.Filter{ToMS: 1000}, func(h video.Hit) bool { return h.StartMS == 0 }},
			"late":           {video.Filter{FromMS: 4000}, func(video.Hit) bool { return false }},
			"video and time": {video.Filter{Videos: []string{string(videoID("c"))}, ToMS: 1}, func(h video.Hit) bool {
				return h.Name == "c.mp4" && h.StartMS == 0
			}},
		} {
			filtered := q
			filtered.Filter = c.filter
			var want []string
			for _, h := range all {
				if c.want(h) {
					want = append(want, h.Caption)
				}
			}
			hits := search(t, x, filtered)
			require.ElementsMatch(t, want, captions(hits), "%s, %s", q.Rank, name)
			if q.Rank == video.RankHybrid { // which fuses the ranks among the filtered documents
				continue
			}
			require.True(t, slices.Equal(want, captions(hits)), "%s, %s: order", q.Rank, name)
			for _, h := range hits {
				require.Contains(t, all, h, "%s, %s: the score is that of a search without the filter", q.Rank, name)
			}
		}
	}
}

// testPerVideo: a video with many good hits does not hide the others.
func testPerVideo(t *testing.T, x Index) {
	long := clip("long", "1", numbered(1300)...)
	for i := range long {
		long[i].Embedding = unit(0)
	}
	publish(t, x, long)
	for i := range 4 {
		docs := clip(fmt.Sprint("short", i), "1", "frame number one of a short clip with many more words", "frame two with still more words than the other one has")
		for k := range docs {
			docs[k].Embedding = unit(0)
			docs[k].Embedding.Floats[1+i] = 0.5
		}
		publish(t, x, docs)
	}
	for _, q := range ranks("frame", unit(0)) {
		q.Limit = 7
		for _, per := range []int{1, 2} {
			q.Filter.PerVideo = per
			hits := search(t, x, q)
			counts := map[string]int{}
			for _, h := range hits {
				counts[h.Name]++
			}
			want := map[string]int{"long.mp4": per, "short0.mp4": per, "short1.mp4": per, "short2.mp4": per, "short3.mp4": per}
			if per == 2 {
				require.Len(t, hits, 7, q.Rank)
				require.Equal(t, 2, counts["long.mp4"], q.Rank)
			} else {
				require.Equal(t, want, counts, q.Rank)
			}
			require.Equal(t, "long.mp4", hits[0].Name, q.Rank)
		}
	}
}

// testSpeechFilters: searches can be narrowed to what is shown or said, and to a language.
func testSpeechFilters(t *testing.T, x Index) {
	docs := clip("a", "1", "tram seen", "tram heard", "Tram gehört", "tram on the radio")
	for i, c := range []struct {
		kind     video.Kind
		language string
	}{{}, {video.SpeechDocument, "en"}, {video.SpeechDocument, "de"}, {video.AudioDocument, "en"}} {
		docs[i].Kind, docs[i].Language = c.kind, c.language
	}
	publish(t, x, docs)
	for _, q := range ranks("tram", unit(1)) {
		for name, c := range map[string]struct {
			filter video.Filter
			want   []string
		}{
			"frames":           {video.Filter{Kinds: []video.Kind{video.FrameDocument}}, []string{"tram seen"}},
			"speech":           {video.Filter{Kinds: []video.Kind{video.SpeechDocument}}, []string{"tram heard", "Tram gehört"}},
			"frames and sound": {video.Filter{Kinds: []video.Kind{video.FrameDocument, video.AudioDocument}}, []string{"tram seen", "tram on the radio"}},
			"English":          {video.Filter{Languages: []string{"en"}}, []string{"tram heard", "tram on the radio"}},
			"both":             {video.Filter{Kinds: []video.Kind{video.SpeechDocument}, Languages: []string{"de", "fr"}}, []string{"Tram gehört"}},
			"nothing":          {video.Filter{Languages: []string{"fr"}}, []string{}},
		} {
			q.Filter = c.filter
			require.ElementsMatch(t, c.want, captions(search(t, x, q)), "%s, %s", q.Rank, name)
		}
	}
}
