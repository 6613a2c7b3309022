package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// job is a workflow that the test does not wait for yet.
type job struct {
	run  client.WorkflowRun
	done chan struct{}
	err  error
	out  ingest.LibraryResult
}

// begin starts a library. Its result is awaited through deaths of the server.
func (s *stack) begin(id string, in ingest.LibraryInput) *job {
	s.t.Helper()
	run, err := s.client.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain}, "IngestLibrary", in)
	require.NoError(s.t, err)
	j := &job{run: run, done: make(chan struct{})}
	go func() {
		defer close(j.done)
		for {
			j.err = run.Get(s.t.Context(), &j.out)
			var ended *temporal.WorkflowExecutionError
			if j.err == nil || errors.As(j.err, &ended) || s.t.Context().Err() != nil {
				return
			}
		}
	}()
	return j
}

// ended says whether the workflow has ended.
func (j *job) ended() bool {
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

func (j *job) wait(t *testing.T) ingest.LibraryResult {
	t.Helper()
	select {
	case <-j.done:
	case <-time.After(10 * time.Minute):
		require.Fail(t, "the workflow does not end")
	}
	require.NoError(t, j.err)
	return j.out
}

// cancelled waits for the end that a cancel brings about.
func (j *job) cancelled(t *testing.T) {
	t.Helper()
	select {
	case <-j.done:
	case <-time.After(30 * time.Second):
		require.Fail(t, "the cancelled workflow does not end")
	}
	var canceled *temporal.CanceledError
	require.ErrorAs(t, j.err, &canceled)
}
