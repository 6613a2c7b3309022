package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
)

// TestIndexDeleted: the files of the index are deleted while a worker has them open. A run
// does not succeed with documents that no search finds: it waits and reports the reason.
// After a restart of the worker it completes with all documents.
func TestIndexDeleted(t *testing.T) {
	t.Parallel()
	const frames = 20
	dir := small(t, 2, frames)
	s := newSmallStack(t, nil)
	s.worker([]string{"--pools", "cogflow,media,describe,embed,lm"})
	index := s.worker([]string{"--pools", "index"})
	ingest := func(id, name string) client.WorkflowRun {
		run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain},
			"IngestVideo", ingestflow.VideoInput{URI: filepath.Join(dir, name)})
		require.NoError(t, err)
		return run
	}
	require.NoError(t, ingest("first", "small-0.mp4").Get(t.Context(), nil))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		require.NoError(t, os.Remove(filepath.Join(s.dir, "index.db"+suffix)))
	}
	run := ingest("gone", "small-1.mp4")
	require.Eventually(t, func() bool {
		answer, err := s.client.QueryWorkflow(t.Context(), "gone", "", workflows.QueryProgress)
		var p ingestflow.VideoProgress
		return err == nil && answer.Get(&p) == nil && strings.Contains(p.Waiting, "it was deleted while this process had it open")
	}, soon, 100*time.Millisecond)
	index.kill()
	s.worker([]string{"--pools", "index"})
	var out ingestflow.VideoResult
	require.NoError(t, run.Get(t.Context(), &out))
	require.Equal(t, frames, out.Documents)
	require.Len(t, s.visible(), frames)

	// The other video is indexed again from the store.
	calls := s.number("ledger.db", "SELECT count(*) FROM call WHERE answered")
	require.NoError(t, ingest("again", "small-0.mp4").Get(t.Context(), nil))
	require.Len(t, s.visible(), 2*frames)
	require.Equal(t, calls, s.number("ledger.db", "SELECT count(*) FROM call WHERE answered"), "without a model")
}
