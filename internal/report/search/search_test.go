package search

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/report/reporttest"
	"github.com/cogniverse/cogflow/video"
)

func picture(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, jpeg.Encode(&out, image.NewGray(image.Rect(0, 0, 32, 18)), nil))
	return out.Bytes()
}

// TestSearchPage: a hit has its frame, and a player at its time if the video is on this machine.
func TestSearchPage(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, Render(&out, Answer{
		Query: "a <b>red</b> car", Tenant: "default", Rank: "hybrid",
		From: Searched{
			Profile: "local_preview", Embed: "cogflow/preview-embedder 1", Index: "SQLite, index.db",
			Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Run: "0198c1f2", Version: "1.2.3",
		},
		Hits: []Hit{
			{Hit: video.Hit{Name: "talk one.mp4", StartMS: 62_500, EndMS: 63_000, Score: 0.5, Caption: `"><script>alert(1)</script>`, Preview: true}, Frame: picture(t), File: "/videos/talk one#2.mp4"},
			{Hit: video.Hit{Name: "far.mp4", Caption: "a road", OnScreen: "EXIT 12"}, Frame: picture(t)},
			{Hit: video.Hit{Name: "bare.mp4"}},
			{Hit: video.Hit{Name: "talk.mp3", Kind: video.SpeechDocument, Transcript: "<i>Mind</i> the gap."}},
		},
	}))
	page := out.String()
	require.Contains(t, page, `src="file:///videos/talk%20one%232.mp4#t=62.500"`)
	require.NotContains(t, page, "<script")
	require.Contains(t, page, "no picture")
	reporttest.Golden(t, "testdata/search.html", out.Bytes())

	out.Reset()
	require.NoError(t, Render(&out, Answer{Query: "nothing"}))
	require.Contains(t, out.String(), "Nothing found")
	require.Error(t, Render(&out, Answer{Hits: []Hit{{Frame: []byte("not a picture")}}}))
}
