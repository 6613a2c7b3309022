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

// job is a started workflow.
type job struct {
	run  client.WorkflowRun
	done chan struct{}
	err  error
	out  ingest.LibraryResult
}

// begin starts a library and awaits its result in the background, across restarts of the server.
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

// ended reports whether the workflow has ended.
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
		require.Fail(t, "the workflow did not end")
	}
	require.NoError(t, j.err)
	return j.out
}

// cancelled waits until the workflow is cancelled.
func (j *job) cancelled(t *testing.T) {
	t.Helper()
	select {
	case <-j.done:
	case <-time.After(30 * time.Second):
		require.Fail(t, "the cancelled workflow did not end")
	}
	var canceled *temporal.CanceledError
	require.ErrorAs(t, j.err, &canceled)
}
