package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}

// demo makes the demo clips in a directory of the test.
func demo(t *testing.T) string {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	require.NoError(t, err, "run make tools")
	dir := filepath.Join(t.TempDir(), "videos")
	_, err = clips.Demo(t.Context(), ffmpeg, dir)
	require.NoError(t, err)
	return dir
}

// execute starts a workflow and waits for its result.
func execute[Out any](s *stack, id, kind string, in any) (Out, error) {
	s.t.Helper()
	var out Out
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Minute)
	defer cancel()
	run, err := s.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain}, kind, in)
	require.NoError(s.t, err)
	err = run.Get(ctx, &out)
	return out, err
}

func search(s *stack, query string) ingest.SearchResult {
	s.t.Helper()
	out, err := execute[ingest.SearchResult](s, "search-"+query, "SearchVideos", ingest.SearchInput{Query: query})
	require.NoError(s.t, err)
	return out
}

// filters searches within one of the demo's clips, by its name, and in all of them.
func (s *stack) filters() {
	s.t.Helper()
	first, second := clips.Scripts()[0], clips.Scripts()[1]
	ask := func(f video.Filter) ([]video.Hit, error) {
		out, err := execute[ingest.SearchResult](s, "filter", "SearchVideos", ingest.SearchInput{Query: first.Scenes[0].Text, Filter: f})
		return out.Hits, err
	}
	hits, err := ask(video.Filter{Videos: []string{second.Name}, FromMS: second.StartMS(1)})
	require.NoError(s.t, err)
	require.NotEmpty(s.t, hits)
	for _, h := range hits {
		require.Equal(s.t, second.Name, h.Name)
		require.Greater(s.t, h.EndMS, second.StartMS(1))
	}
	hits, err = ask(video.Filter{PerVideo: 1})
	require.NoError(s.t, err)
	require.Len(s.t, hits, len(clips.Scripts()))
	_, err = ask(video.Filter{Videos: []string{"missing.mp4"}})
	require.ErrorContains(s.t, err, "missing.mp4")
	_, err = ask(video.Filter{PerVideo: -1})
	require.ErrorContains(s.t, err, "per_video")
}

// ingestsAndFinds ingests the demo's clips, searches each of their scenes, and ingests them
// again, which does no work.
func (s *stack) ingestsAndFinds(dir string) {
	t := s.t
	t.Helper()
	in := ingest.LibraryInput{Source: dir}
	first, err := execute[ingest.LibraryResult](s, "demo", "IngestLibrary", in)
	require.NoError(t, err)
	require.Empty(t, first.Failures)
	require.Equal(t, 3, first.Indexed)
	require.Positive(t, first.DescribeCalls)
	require.Zero(t, first.RepeatedCalls)
	require.NotEmpty(t, first.Report)

	for _, clip := range clips.Scripts() {
		for i, scene := range clip.Scenes {
			hits := search(s, scene.Text).Hits
			require.NotEmpty(t, hits, scene.Text)
			require.Equal(t, clip.Name, hits[0].Name, scene.Text)
			require.GreaterOrEqual(t, hits[0].PTSMS, clip.StartMS(i), scene.Text)
			require.Less(t, hits[0].PTSMS, clip.EndMS(i), scene.Text)
		}
	}

	s.filters()

	again, err := execute[ingest.LibraryResult](s, "demo", "IngestLibrary", in)
	require.NoError(t, err)
	require.Equal(t, 3, again.Unchanged)
	require.Zero(t, again.DescribeCalls, "a finished job does no work")
}
