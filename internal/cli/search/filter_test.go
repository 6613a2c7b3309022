package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

func TestPosition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"": 0, "0s": 0, "90s": 90_000, "1.5s": 1500, "1h2m": 3_720_000, "250ms": 250,
		"0:00": 0, "1:30": 90_000, "90:00": 5_400_000, "1:02:03.5": 3_723_500, "00:00.250": 250,
	} {
		got, err := position("from", text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"1", "x", "-1s", "1:", ":", "1:60", "1:2:3:4", "1.5:00", "1:-2", "NaN:1", "1:NaN", "1e3:00", "2000h", "9999999:00", "1:0x10"} {
		_, err := position("from", text)
		require.ErrorContains(t, err, "--from must be a time", text)
	}
}

func TestFilterFlags(t *testing.T) {
	t.Parallel()
	f := filterFlags{from: "1:00", to: "90s", group: true, kinds: []string{"speech"}, Filter: video.Filter{Videos: []string{"a.mp4"}}}
	got, err := f.read()
	require.NoError(t, err)
	require.Equal(t, video.Filter{Videos: []string{"a.mp4"}, FromMS: 60_000, ToMS: 90_000, PerVideo: groupSize, Kinds: []video.Kind{video.SpeechDocument}}, got)
	f.PerVideo = 1
	got, err = f.read()
	require.NoError(t, err)
	require.Equal(t, 1, got.PerVideo)
	f.kinds = []string{"smell"}
	_, err = f.read()
	require.ErrorContains(t, err, "kind")
	f.kinds, f.to = nil, "30s"
	_, err = f.read()
	require.ErrorContains(t, err, "--to must be later than --from")
}

func TestByVideo(t *testing.T) {
	t.Parallel()
	r := ingest.SearchResult{Searched: &ingest.Searched{Profile: "p", Run: "r"}, Hits: []video.Hit{
		{Video: "a", Name: "a.mp4", PTSMS: 1, Score: 5},
		{Video: "b", Name: "b.mp4", PTSMS: 2, Score: 4},
		{Video: "a", PTSMS: 3, Score: 3},
		{Video: "c", PTSMS: 4, Score: 2},
		{Video: "b", PTSMS: 5, Score: 1, Transcript: "mind the gap", Matched: []string{"transcript"}},
	}}
	var times []int64
	for _, h := range byVideo(r) {
		times = append(times, h.PTSMS)
	}
	require.Equal(t, []int64{1, 3, 2, 5, 4}, times)
	clitest.Golden(t, "groups", clitest.Printed(func(a *cli.App) { require.NoError(t, a.PrintJSON(r.Groups())) }))
	require.Equal(t, ingest.SearchGroups{Videos: []ingest.SearchGroup{}}, ingest.SearchResult{}.Groups())
}
