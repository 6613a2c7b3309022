package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestOutage stops the server for longer than the heartbeat timeout, with calls in flight
// that take even longer. The server times out the activities, although their workers live, and
// schedules them again before any of the calls is answered. No call is paid for twice.
func TestOutage(t *testing.T) {
	t.Parallel()
	const frames = 64 // one chunk
	dir := small(t, 1, frames)
	s := newStack(t, nil)
	held := s.heldCalls(t)
	s.worker([]string{"--pools", "cogflow,media,index,embed"})
	for range 2 {
		s.worker([]string{"--pools", "describe"}, held.env)
	}
	s.poll(func() bool { return s.logs("serving", "describe-cpu") == 2 })
	held.hold()
	job := s.begin("library", ingest.LibraryInput{Source: dir})
	s.poll(func() bool { return s.calls() > 1 })
	s.killServer()
	<-time.After(12 * time.Second) // the outage itself: longer than the heartbeat timeout
	s.start()
	s.poll(func() bool { return s.attempt("DescribeChunk") > 1 })
	held.release()

	out := job.wait(t)
	require.Equal(t, 1, out.Indexed)
	require.Zero(t, out.RepeatedCalls)
	require.Equal(t, frames, s.number("ledger.db", "SELECT count(*) FROM call WHERE outcome<>'released'"), "each frame is paid for once")
	require.Equal(t, frames, s.number("ledger.db", "SELECT count(*) FROM call WHERE answered"))
	require.Zero(t, s.number("ledger.db", "SELECT count(*) FROM call WHERE ended_ms IS NULL"))
}

// logs counts the lines of the workers' log that contain all of the texts.
func (s *stack) logs(texts ...string) (n int) {
	out, err := os.ReadFile(filepath.Join(s.dir, "worker.log"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(out)) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			n++
		}
	}
	return n
}

// attempt returns the highest attempt of the pending activities with this name in all open
// runs; 0 = none is pending.
func (s *stack) attempt(activity string) (most int32) {
	s.t.Helper()
	open, err := s.client.ListWorkflow(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "ExecutionStatus = 'Running'"})
	if err != nil {
		return 0 // the server has just started
	}
	for _, w := range open.Executions {
		d, err := s.client.DescribeWorkflow(s.t.Context(), w.Execution.WorkflowId, w.Execution.RunId)
		if err != nil {
			return 0
		}
		for _, a := range d.RawResponse.PendingActivities {
			if a.GetActivityType().GetName() == activity {
				most = max(most, a.GetAttempt())
			}
		}
	}
	return most
}
