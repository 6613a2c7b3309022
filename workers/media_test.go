package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows/ingest"
)

// realMedia is a folder with four clips that were not made for tests.
const realMedia = "../../shared/media"

// TestRealMedia ingests real clips: MP4, AVI and WebM, with and without sound.
func TestRealMedia(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(realMedia); err != nil {
		t.Skip("no real clips on this machine")
	}
	dir, err := os.Getwd()
	require.NoError(t, err)
	s := newStack(t, nil)
	s.worker(nil, withText)
	run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("real"), "IngestLibrary",
		ingest.LibraryInput{Source: dir + "/" + realMedia})
	require.NoError(t, err)
	out := await[ingest.LibraryResult](s, run, 10*time.Minute)
	require.Empty(t, out.Failures)
	require.Equal(t, 4, out.Indexed)
	// poh.mp4 is found by its subtitles, the others by their colours.
	for query, want := range map[string]string{
		"dressed as garbage man":                "poh.mp4",
		"now you can call me Jay":               "poh.mp4",
		"brown, olive and yellow":               "small.webm",
		"dark grey and orange, fast motion":     "clip.avi",
		"mostly grey and light grey, landscape": "v_-6dz6tBH77I.mp4",
	} {
		hits := search(s, query).Hits
		require.NotEmpty(t, hits, query)
		require.Equal(t, want, hits[0].Name, query)
	}
	garbage := search(s, "dressed as garbage man").Hits[0]
	require.Contains(t, []int64{2000, 3000}, garbage.PTSMS, "the seconds with this subtitle")
}
