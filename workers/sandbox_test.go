package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// withoutBubblewrap is a PATH with all programs of a worker except for bwrap.
func withoutBubblewrap(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range []string{"ffmpeg", "ffprobe", "prlimit", "head"} {
		path, err := exec.LookPath(program)
		require.NoError(t, err, "run make tools")
		require.NoError(t, os.Symlink(path, filepath.Join(dir, program)))
	}
	return "PATH=" + dir
}

// TestSandboxIsRequired: without bubblewrap, a worker that decodes media does not start and
// reports the fix. Pools without untrusted input start. The log, the health check and the
// report mention --no-sandbox.
func TestSandboxIsRequired(t *testing.T) {
	t.Parallel()
	dir := small(t, 1, 2)
	s := newSmallStack(t, nil)
	path := withoutBubblewrap(t)
	log := func() string {
		text, err := os.ReadFile(filepath.Join(s.dir, "worker.log"))
		require.NoError(t, err)
		return string(text)
	}
	for _, args := range [][]string{{"--pools", "media"}, {"--dev"}, {"--dev", "--require-sandbox"}} {
		w := s.worker(args, path)
		err := <-w.done
		w.done <- err
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, program.ExitConfiguration, exit.ExitCode())
		require.Contains(t, log(), "bubblewrap is not installed; install it (apt-get install bubblewrap)")
		require.Contains(t, log(), "start with --no-sandbox or COGFLOW_NO_SANDBOX=true")
		require.NoError(t, os.Remove(filepath.Join(s.dir, "worker.log")))
	}

	s.worker([]string{"--pools", "cogflow,describe,embed,transcribe,index,lm"}, path)
	w := s.worker([]string{"--pools", "media", "--no-sandbox"}, path)
	in := ingest.LibraryInput{Source: dir}
	run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("library"), "IngestLibrary", in)
	require.NoError(t, err)
	out := await[ingest.LibraryResult](s, run, soon)
	require.Equal(t, 1, out.Indexed)
	require.Contains(t, log(), "WITHOUT a sandbox (--no-sandbox)")
	report := func(key string) string {
		text, err := os.ReadFile(filepath.Join(s.dir, "store", key))
		require.NoError(t, err)
		return string(text)
	}
	require.Contains(t, report(out.Report), "Media were decoded without a sandbox")
	status := ""
	for _, c := range s.health(false, answered) {
		if c.Part == "sandbox" {
			status = c.Status + ": " + c.Detail
		}
	}
	require.Contains(t, status, "warn: process limits only, as configured")

	// Reports of later runs also say that media were decoded without a sandbox.
	w.drain()
	s.worker([]string{"--pools", "media"})
	again, err := execute[ingest.LibraryResult](s, "again", "IngestLibrary", in)
	require.NoError(t, err)
	require.Equal(t, 1, again.Unchanged)
	require.Contains(t, report(again.Report), "Media were decoded without a sandbox")
}
