package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestOneIngest starts two runs for the same content with different ids and names: one does
// the work, the other finds the result.
func TestOneIngest(t *testing.T) {
	t.Parallel()
	const frames = 10
	dir := small(t, 1, frames)
	name := filepath.Join(dir, "small-0.mp4")
	require.NoError(t, os.Link(name, filepath.Join(dir, "same.mp4")))
	s := newSmallStack(t, nil)
	s.worker(nil)
	s.worker(nil)
	var runs []client.WorkflowRun
	for id, file := range map[string]string{"one": name, "two": filepath.Join(dir, "same.mp4")} {
		run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain},
			"IngestVideo", ingest.VideoInput{URI: file})
		require.NoError(t, err)
		runs = append(runs, run)
	}
	ended := map[string]int{}
	for _, run := range runs {
		var out ingest.VideoResult
		require.NoError(t, run.Get(t.Context(), &out))
		require.Equal(t, frames, out.Documents)
		ended[out.Status]++
	}
	require.Equal(t, map[string]int{video.StatusIndexed: 1, video.StatusUnchanged: 1}, ended)
	require.Equal(t, frames, s.calls())
	require.Len(t, s.visible(), frames)
}

// TestAttach starts a library twice and gets one run.
func TestAttach(t *testing.T) {
	t.Parallel()
	dir := small(t, 1, 2)
	s := newSmallStack(t, nil)
	options := client.StartWorkflowOptions{
		ID: "library", TaskQueue: workflows.QueueMain,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}
	in := ingest.LibraryInput{Source: dir}
	first, err := s.client.ExecuteWorkflow(t.Context(), options, "IngestLibrary", in)
	require.NoError(t, err)
	second, err := s.client.ExecuteWorkflow(t.Context(), options, "IngestLibrary", in)
	require.NoError(t, err)
	require.Equal(t, first.GetRunID(), second.GetRunID())
	s.worker(nil)
	var out ingest.LibraryResult
	require.NoError(t, second.Get(t.Context(), &out))
	require.Equal(t, 1, out.Indexed)
}

// TestDrain drains a worker while calls are in flight. No further call starts, answers of
// calls in flight are stored, and another worker makes each remaining call once.
func TestDrain(t *testing.T) {
	t.Parallel()
	const videos, frames = 2, 80 // enough to be unfinished when the worker drains
	dir := small(t, videos, frames)
	s := newSmallStack(t, nil)
	held := s.heldCalls(t)
	first := s.worker(nil, held.env)
	s.poll(func() bool { return s.logged("serving") })
	held.hold()
	job := s.begin("library", ingest.LibraryInput{Source: dir})
	s.poll(func() bool { return s.calls() > 1 })
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGTERM))
	s.poll(func() bool { return s.logged("draining") })
	released := time.Now()
	held.release()
	first.drain()
	require.True(t, first.cmd.ProcessState.Success(), first.cmd.ProcessState)
	require.Zero(t, s.number("ledger.db", fmt.Sprintf("SELECT count(*) FROM call WHERE begun_ms > %d", released.UnixMilli())),
		"a call started while the worker drained")
	require.Positive(t, s.number("ledger.db", "SELECT count(*) FROM call WHERE answered"), "answers of calls in flight are stored")
	require.Empty(t, s.children())
	require.Empty(t, s.temporary())
	require.Zero(t, s.number("ledger.db", "SELECT count(*) FROM call WHERE ended_ms IS NULL"))

	s.worker(nil)
	out := job.wait(t)
	require.Equal(t, videos, out.Indexed)
	require.Zero(t, out.RepeatedCalls)
	require.Len(t, s.visible(), videos*frames)
}

// TestOneCall ingests videos with equal frames concurrently, with several describe workers:
// each frame is described once.
func TestOneCall(t *testing.T) {
	t.Parallel()
	const videos, frames = 4, 16
	dir := small(t, 1, frames)
	content, err := os.ReadFile(filepath.Join(dir, "small-0.mp4"))
	require.NoError(t, err)
	for i := 1; i < videos; i++ {
		box := append(content, 0, 0, 0, 9, 'f', 'r', 'e', 'e', byte(i)) // players ignore it
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("copy-%d.mp4", i)), box, 0o600))
	}
	s := newSmallStack(t, nil)
	s.worker([]string{"--pools", "cogflow,media,index"})
	s.worker([]string{"--pools", "describe,embed"})
	s.worker([]string{"--pools", "describe,embed"})
	out := s.begin("library", ingest.LibraryInput{Source: dir, Concurrency: videos}).wait(t)
	require.Equal(t, videos, out.Indexed)
	require.Zero(t, out.RepeatedCalls)
	require.Equal(t, frames, s.calls())
	require.Len(t, s.visible(), videos*frames)
}
