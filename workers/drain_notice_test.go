package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestDrainNotice: a worker whose host will be taken away drains at once, says so in pools and
// explain, and does not start again there.
func TestDrainNotice(t *testing.T) {
	t.Parallel()
	const frames = 24 // more than the calls in flight
	dir := small(t, 1, frames)
	s := newSmallStack(t, nil)
	held, cogflow := s.heldCalls(t), s.cogflow() // calls are held for a minute at most, so the command is built before
	notice := filepath.Join(s.dir, "notice")
	first := s.worker(nil, held.env, "COGFLOW_DRAIN_NOTICE="+notice, "COGFLOW_DRAIN_CALLS_SECONDS=300")
	s.poll(func() bool { return s.logged(`"msg":"ready"`) })
	held.hold()
	job := s.begin("library", ingest.LibraryInput{Source: dir})
	s.poll(func() bool { return s.calls() > 1 })
	at := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	require.NoError(t, os.WriteFile(notice, []byte(`{"action":"terminate","time":"`+at+`"}`), 0o600))
	s.poll(func() bool { return s.logged("this host will be taken away") })
	const says = "/notice: terminate at "
	s.poll(func() bool {
		_, text := cogflow("pools")
		return strings.Contains(text, says+at)
	})
	_, text := cogflow("explain", "library/000000")
	require.Contains(t, text, says+at)
	held.release()
	require.NoError(t, <-first.done)
	first.done <- nil

	again := s.worker(nil, "COGFLOW_DRAIN_NOTICE="+notice)
	require.Error(t, <-again.done)
	again.done <- nil
	require.True(t, s.logged("start the worker on another host"))
	require.NoError(t, os.Remove(notice))
	s.worker(nil, "COGFLOW_DRAIN_NOTICE="+notice)
	out := job.wait(t)
	require.Equal(t, 1, out.Indexed)
	require.Zero(t, out.RepeatedCalls)
}
