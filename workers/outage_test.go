package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows"
)

// TestOutage keeps the server away for longer than the heartbeat timeout: it
// takes the work of a living process for lost and gives it to another, while
// the first still describes. Nothing is paid for twice.
func TestOutage(t *testing.T) {
	t.Parallel()
	const frames = 64 // one chunk
	dir := small(t, 1, frames)
	s := newStack(t, nil)
	slow := filepath.Join(s.dir, "slow")
	require.NoError(t, os.WriteFile(slow, []byte("#!/bin/sh\nsleep 0.3\nexec tesseract \"$@\"\n"), 0o700))
	s.worker([]string{"--pools", "cogflow,media,index,embed"})
	s.worker([]string{"--pools", "describe"}, "COGFLOW_TESSERACT="+slow)
	s.worker([]string{"--pools", "describe"}, "COGFLOW_TESSERACT="+slow)
	job := s.begin("library", workflows.IngestLibraryInput{Source: dir})
	s.poll(func() bool { return s.calls() > 2 })
	s.killServer()
	<-time.After(12 * time.Second)
	require.Less(t, s.calls(), frames, "the chunk should not be done yet")
	s.start()

	out := job.wait(t)
	require.Equal(t, 1, out.Indexed)
	require.Zero(t, out.RepeatedCalls)
	require.Equal(t, frames, s.number("ledger.db", "SELECT count(*) FROM call WHERE answered"))
	require.Zero(t, s.number("ledger.db", "SELECT count(*) FROM call WHERE ended_ms IS NULL"))
	t.Logf("%d processes have described", s.number("ledger.db", "SELECT count(DISTINCT process) FROM call"))
}
