package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/workflows"
)

// soon makes the server suggest continue-as-new after so many events.
func soon(events string) map[string]string {
	return map[string]string{"limit.historyCount.suggestContinueAsNew": events}
}

// TestContinueAsNew makes both kinds of run continue as new: a library whose
// first video is at work all the time, and that long video itself. Nothing is
// lost or done twice on the way.
func TestContinueAsNew(t *testing.T) {
	t.Parallel()
	const short, frames = 150, 2000
	dir := t.TempDir()
	_, err := clips.Tiny(t.Context(), "ffmpeg", dir, frames) // its name sorts first
	require.NoError(t, err)
	_, err = clips.Library(t.Context(), "ffmpeg", dir, short)
	require.NoError(t, err)
	s := newStack(t, soon("500"))
	s.worker(nil, noText)
	run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("many"), "IngestLibrary", workflows.IngestLibraryInput{Source: dir})
	require.NoError(t, err)
	out := await[workflows.IngestLibraryResult](s, run, 10*time.Minute)
	require.Empty(t, out.Failures)
	require.Equal(t, short+1, out.Videos)
	require.Equal(t, short+1, out.Indexed)
	require.Equal(t, 2*short+frames, out.Documents)
	require.Equal(t, frames, out.DescribeCalls, "the first frames of the long video are those of the short ones")
	require.Zero(t, out.RepeatedCalls)
	require.NotEmpty(t, out.Report)

	library := s.cost("many")
	require.GreaterOrEqual(t, library.runs, 2)
	require.Less(t, library.longest, 700)
	long := s.cost("many/000000")
	require.GreaterOrEqual(t, long.runs, 2)
	require.Less(t, long.longest, 700)
	listed, err := execute[workflows.ListVideosResult](s, "list", "ListVideos", workflows.ListVideosInput{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, listed.Videos, short+1)
}
