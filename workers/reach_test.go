package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestCancelReachesInherited cancels a library whose children were started by
// the run before its continue-as-new.
func TestCancelReachesInherited(t *testing.T) {
	t.Parallel()
	const videos, frames = 3, 4
	dir := small(t, videos, frames)
	s := newSmallStack(t, continueAfter("60"))
	s.worker([]string{"--pools", "cogflow,media,embed,index"}) // without the pool describe the children wait
	in := ingest.LibraryInput{Source: dir, Concurrency: videos}
	job := s.begin("library", in)
	require.Eventually(t, func() bool { return s.stage("library/000002") == "describe" }, soon, 50*time.Millisecond)

	first := job.run.GetRunID()
	for n := 1; s.run("library") == first; n++ {
		require.Less(t, n, 100, "the library did not continue as new")
		s.concurrency("library", 1+n%videos)
	}
	require.NoError(t, s.client.CancelWorkflow(t.Context(), "library", ""))
	job.cancelled(t)
	s.requireNothing("default")
	for _, id := range []string{"library/000000", "library/000001", "library/000002"} {
		d, err := s.client.DescribeWorkflow(t.Context(), id, "")
		require.NoError(t, err)
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_CANCELED, d.Status, id)
	}

	s.worker([]string{"--pools", "describe"})
	again, err := execute[ingest.LibraryResult](s, "library", "IngestLibrary", in)
	require.NoError(t, err)
	require.Equal(t, videos, again.Indexed)
	require.Len(t, s.visible(), videos*frames)
}

// run returns the run id of the current run of a workflow.
func (s *stack) run(id string) string {
	s.t.Helper()
	d, err := s.client.DescribeWorkflow(s.t.Context(), id, "")
	require.NoError(s.t, err)
	return d.WorkflowExecution.RunID
}

// stage queries the stage of a video; empty = the video has not started.
func (s *stack) stage(id string) string {
	s.t.Helper()
	answer, err := s.client.QueryWorkflow(s.t.Context(), id, "", workflows.QueryProgress)
	if err != nil {
		return ""
	}
	var progress ingest.VideoProgress
	require.NoError(s.t, answer.Get(&progress))
	return progress.Stage
}

// concurrency changes the concurrency of a library.
func (s *stack) concurrency(id string, n int) {
	s.t.Helper()
	handle, err := s.client.UpdateWorkflow(s.t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: workflows.UpdateConcurrency, Args: []any{n},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(s.t, err)
	require.NoError(s.t, handle.Get(s.t.Context(), nil))
}
