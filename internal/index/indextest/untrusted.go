package indextest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

func testBadDocuments(t *testing.T, x Index) {
	good := clip("tram", "1", "a red tram")[0]
	nan := unit(0)
	nan.Floats[3] = float32(math.NaN())
	bad := map[string]func(d *video.Document){
		"id":         func(d *video.Document) { d.ID = "" },
		"tenant":     func(d *video.Document) { d.Tenant = "" },
		"profile":    func(d *video.Document) { d.Profile = "" },
		"video":      func(d *video.Document) { d.Video = "" },
		"generation": func(d *video.Document) { d.Generation = "" },
		"embedding":  func(d *video.Document) { d.Embedding = video.Embedding{} },
		"NaN":        func(d *video.Document) { d.Embedding = nan },
	}
	for name, spoil := range bad {
		d := good
		spoil(&d)
		err := x.Upsert(t.Context(), []video.Document{good, d})
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
	}
	require.NoError(t, x.Upsert(t.Context(), nil))

	docs := clip("tram", "1", "a red tram", "a blue tram")
	docs[1].Embedding = video.Embedding{Dim: 8, Rows: 1, Floats: make([]float32, 8)}
	require.Equal(t, fault.Input, fault.ClassOf(x.Upsert(t.Context(), docs)), "another dimension")
	docs[1].Embedding = video.Embedding{Dim: dim, Rows: 1, Bits: make([]byte, dim/8)}
	require.Equal(t, fault.Input, fault.ClassOf(x.Upsert(t.Context(), docs)), "bits among floats")
	_, err := x.Publish(t.Context(), generationOf(docs[:1]))
	require.Equal(t, fault.Input, fault.ClassOf(err), "all of a batch is stored or none: %v", err)

	other := clip("tram", "2", "another model may have another dimension")
	other[0].Embedding = video.Embedding{Dim: 8, Rows: 1, Floats: make([]float32, 8)}
	publish(t, x, other)
}

func testBadQueries(t *testing.T, x Index) {
	publish(t, x, clip("tram", "1", "a red tram"))
	bad := map[string]func(q *video.Query){
		"tenant":       func(q *video.Query) { q.Tenant = "" },
		"profile":      func(q *video.Query) { q.Profile = "" },
		"no limit":     func(q *video.Query) { q.Limit = 0 },
		"limit":        func(q *video.Query) { q.Limit = 1001 },
		"rank":         func(q *video.Query) { q.Rank = "best" },
		"no embedding": func(q *video.Query) { q.Embedding = video.Embedding{} },
		"dimension":    func(q *video.Query) { q.Embedding = video.Embedding{Dim: 8, Rows: 1, Floats: make([]float32, 8)} },
		"encoding":     func(q *video.Query) { q.Embedding = video.Embedding{Dim: dim, Rows: 1, Bits: make([]byte, dim/8)} },
	}
	for name, spoil := range bad {
		q := words("tram")
		q.Rank, q.Embedding = video.RankHybrid, unit(0)
		spoil(&q)
		_, err := x.Search(t.Context(), q)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
	}
}

func testEmpty(t *testing.T, x Index) {
	require.Empty(t, search(t, x, words("tram")))
	require.Empty(t, search(t, x, vector(unit(0))))
	nothing := video.Generation{Tenant: acme, Profile: profile, Video: videoID("still"), Generation: generation("1")}
	_, err := x.Publish(t.Context(), nothing)
	require.NoError(t, err, "a video without a document is a video")
	listed, err := x.Published(t.Context(), video.PublishedFilter{Tenant: acme})
	require.NoError(t, err)
	require.Equal(t, []video.Generation{nothing}, listed)
	require.Empty(t, search(t, x, vector(unit(0))))
}

func testUnicode(t *testing.T, x Index) {
	docs := clip("travel", "1", "Ein Café in Zürich", "Улица в Москве", "naïve façade", "北京 街道", "price 1234 €")
	publish(t, x, docs)
	for query, want := range map[string]string{
		"cafe": docs[0].Caption, "CAFÉ": docs[0].Caption, "cafe\u0301": docs[0].Caption, "zurich": docs[0].Caption,
		"москве": docs[1].Caption, "NAIVE": docs[2].Caption, "facade": docs[2].Caption, "北京": docs[3].Caption,
		"1234": docs[4].Caption,
	} {
		require.Equal(t, []string{want}, captions(search(t, x, words(query))), query)
	}
}

func testUntrustedQueries(t *testing.T, x Index) {
	publish(t, x, clip("tram", "1", "a red tram near the river", "a blue bus not here or there"))
	queries := []string{
		"", " ", `"`, `""`, `"""`, `'`, "*", "tram*", "NEAR(", "NEAR(red tram, 5)", "caption:tram", "{caption name}: tram",
		"AND", "OR", "NOT", "red AND NOT tram", "-tram", "+tram", "^tram", "(", ")", "red) OR (blue", `tram" OR "bus`,
		"\x00", "tr\x00am", "\xff\xfe", "🚋", "🚋 tram", "\u0301", "tram'; DROP TABLE document; --", "%", "_", "?1", "$x", "\\",
		strings.Repeat("tram ", 819), strings.Repeat("x", 4096), strings.Repeat(`"`, 4096), strings.Repeat("(", 4096),
		strings.Join(numbered(300), " "),
	}
	for _, query := range queries {
		for _, r := range []video.Rank{video.RankBM25, video.RankHybrid, video.RankVector} {
			q := words(query)
			q.Rank, q.Embedding = r, unit(0)
			hits, err := x.Search(t.Context(), q)
			require.NoError(t, err, "%s %q", r, query)
			require.LessOrEqual(t, len(hits), 2)
		}
	}
	require.Equal(t, "a red tram near the river", search(t, x, words(`near("tram"*)`))[0].Caption)
	require.Len(t, search(t, x, words("not blue")), 1, "no operator, but a word")
}

func testUntrustedDocuments(t *testing.T, x Index) {
	texts := []string{"", "NUL \x00 within", "\xff not UTF-8", `"quoted" AND (`, strings.Repeat("long ", 50_000), "<script>", "🚋"}
	publish(t, x, clip("bad'; --", "1", texts...))
	require.ElementsMatch(t, texts, captions(search(t, x, vector(unit(0)))), "texts come back as they were")
	require.Len(t, search(t, x, words("quoted")), 1)
	require.Len(t, search(t, x, words("script")), 1)
}

func testWholeHit(t *testing.T, x Index) {
	d := clip("tram", "1", "a red tram")[0]
	d.PTSMS, d.StartMS, d.EndMS = 1234, 1000, 2000
	d.OnScreenText, d.Transcript, d.Preview = "LINE 9", "next stop", true
	publish(t, x, []video.Document{d})
	hits := search(t, x, words("line"))
	require.Len(t, hits, 1)
	require.Positive(t, hits[0].Score)
	hits[0].Score = 0
	require.Equal(t, []video.Hit{{
		ID: d.ID, Video: d.Video, URI: d.URI, Name: d.Name, Kind: video.FrameDocument, PTSMS: 1234, StartMS: 1000, EndMS: 2000,
		Caption: d.Caption, OnScreen: "LINE 9", Transcript: "next stop", FrameKey: d.FrameKey, Preview: true, Matched: []string{"on_screen_text"},
	}}, hits)
}

// testSpeech: a passage of speech is a document of its own, beside the frame of its time.
func testSpeech(t *testing.T, x Index) {
	frame := clip("tram", "1", "a red tram")[0]
	said := frame
	said.ID += "-speech"
	said.Kind, said.Caption, said.Transcript, said.Language, said.FrameKey = video.SpeechDocument, "", "nächster Halt", "de", ""
	said.Embedding = unit(1)
	publish(t, x, []video.Document{frame, said})
	hits := search(t, x, words("halt"))
	require.Len(t, hits, 1)
	hits[0].Score = 0
	require.Equal(t, video.Hit{
		ID: said.ID, Video: said.Video, URI: said.URI, Name: said.Name, Kind: video.SpeechDocument, EndMS: 1000, Transcript: "nächster Halt", Language: "de",
		Matched: []string{"transcript"},
	}, hits[0])
	found := search(t, x, vector(unit(1)))[0]
	require.Equal(t, video.SpeechDocument, found.Kind)
	require.Empty(t, found.Matched, "found by its embedding")
	require.Equal(t, []string{"caption", "name"}, search(t, x, words("TRAM"))[0].Matched)
	require.Equal(t, video.FrameDocument, search(t, x, vector(unit(0)))[0].Kind)
	said.Language = "nds" // the passage is replaced
	upsert(t, x, []video.Document{said})
	require.Equal(t, "nds", search(t, x, words("halt"))[0].Language)
}

// testNoDocuments: a sound without a word is published with nothing to find.
func testNoDocuments(t *testing.T, x Index) {
	was := clip("music", "1", "a band")
	publish(t, x, was)
	now := generationOf(was)
	now.Generation, now.Documents = generation("2"), 0
	removed, err := x.Publish(t.Context(), now)
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	require.Empty(t, search(t, x, words("band")))
	listed, err := x.Published(t.Context(), video.PublishedFilter{Tenant: acme, Profile: profile, Limit: 10})
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Equal(t, now.Generation, listed[0].Generation)
	require.Zero(t, listed[0].Documents)
}

// testConcurrent switches generations while others search: a search sees one
// whole generation or the other.
func testConcurrent(t *testing.T, x Index) {
	const frames, rounds, writers, readers = 8, 6, 3, 4
	name := func(w int) string { return fmt.Sprintf("video%d", w) }
	for w := range writers {
		publish(t, x, clip(name(w), "0", numbered(frames)...))
	}
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			for round := 1; round <= rounds; round++ {
				docs := clip(name(w), fmt.Sprint(round), numbered(frames)...)
				if err := x.Upsert(t.Context(), docs); err != nil {
					t.Errorf("upsert: %v", err)
				}
				if _, err := x.Publish(t.Context(), generationOf(docs)); err != nil {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	for range readers {
		reading.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, q := range []video.Query{words("frame"), vector(unit(1))} {
					hits, err := x.Search(t.Context(), q)
					if err != nil || len(hits) != writers*frames {
						t.Errorf("%s: %d hits, want %d: %v", q.Rank, len(hits), writers*frames, err)
						return
					}
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	require.Len(t, search(t, x, words("frame")), writers*frames)
}

func testCancelled(t *testing.T, x Index) {
	docs := clip("tram", "1", "a red tram")
	publish(t, x, docs)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, x.Upsert(ctx, docs), context.Canceled)
	_, err := x.Publish(ctx, generationOf(docs))
	require.ErrorIs(t, err, context.Canceled)
	_, err = x.Search(ctx, words("tram"))
	require.ErrorIs(t, err, context.Canceled)
}
