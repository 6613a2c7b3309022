package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// continueAfter makes the server suggest continue-as-new after a number of events.
func continueAfter(events string) map[string]string {
	return map[string]string{"limit.historyCount.suggestContinueAsNew": events}
}

// TestContinueAsNew makes both kinds of run continue as new: a library with a long first
// video, and that video. Nothing is lost or done twice.
func TestContinueAsNew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		events               string
		videos, frames, runs int
	}{{"300", 60, 1700, 2}, {"60", 60, 500, 5}} {
		t.Run(c.events+" events", func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := clips.Tiny(t.Context(), "ffmpeg", dir, c.frames) // sorts first by name
			require.NoError(t, err)
			_, err = clips.Library(t.Context(), "ffmpeg", dir, c.videos)
			require.NoError(t, err)
			s := newStack(t, continueAfter(c.events))
			s.worker(nil)
			run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("many"), "IngestLibrary", ingest.LibraryInput{Source: dir})
			require.NoError(t, err)
			out := await[ingest.LibraryResult](s, run, 10*time.Minute)
			require.Empty(t, out.Failures)
			require.Equal(t, c.videos+1, out.Indexed)
			require.Equal(t, 2*c.videos+c.frames, out.Documents)
			require.Equal(t, c.frames, out.DescribeCalls, "the short videos have the first frames of the long one")
			require.Zero(t, out.RepeatedCalls)
			require.NotEmpty(t, out.Report)
			require.GreaterOrEqual(t, s.cost("many").runs, c.runs)
			require.GreaterOrEqual(t, s.cost("many/000000").runs, 2)
			listed, err := execute[ingest.ListVideosResult](s, "list", "ListVideos", ingest.ListVideosInput{Limit: 500})
			require.NoError(t, err)
			require.Len(t, listed.Videos, c.videos+1)
		})
	}
}
