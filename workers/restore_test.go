package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
)

// TestRestore restores a store from a copy without extended attributes, and repairs it with
// `cogflow store check`. Then work continues from the stored results without model calls.
func TestRestore(t *testing.T) {
	t.Parallel()
	const frames = 20
	dir := small(t, 1, frames)
	s := newSmallStack(t, nil)
	ingest := func(id string) (out ingestflow.VideoResult) {
		run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain},
			"IngestVideo", ingestflow.VideoInput{URI: filepath.Join(dir, "small-0.mp4"), Force: true})
		require.NoError(t, err)
		require.NoError(t, run.Get(t.Context(), &out))
		return out
	}
	w := s.worker(nil)
	require.Equal(t, frames, ingest("before").Documents)
	calls := s.number("ledger.db", "SELECT count(*) FROM call WHERE answered")
	w.drain()

	store := filepath.Join(s.dir, "store")
	require.NoError(t, os.Rename(store, store+".old"))
	copyWithoutXattrs(t, store+".old", store)
	cogflow := s.cogflow()
	code, stdout := cogflow("store", "check", "--json")
	require.Equal(t, 3, code, stdout)
	code, stdout = cogflow("store", "check", "--repair", "--json")
	require.Equal(t, 3, code, "captions and manifests have no proof of their content: %s", stdout)
	code, stdout = cogflow("store", "check", "--repair", "--trust", "--json")
	require.Equal(t, 0, code, stdout)
	var checked struct {
		Counts map[string]int `json:"counts"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &checked))
	require.Positive(t, checked.Counts["repaired"])
	require.Len(t, checked.Counts, 2, "objects with a proof were repaired before")
	require.Positive(t, checked.Counts["whole"])

	s.worker(nil)
	require.Equal(t, frames, ingest("after").Documents)
	require.Equal(t, calls, s.number("ledger.db", "SELECT count(*) FROM call WHERE answered"), "nothing is computed again")
	require.Len(t, s.visible(), frames)
}

// TestBackup follows docs/how-to/backup.md: the state of a stack with an open run is backed
// up, lost and restored. The run continues without repeated model calls.
func TestBackup(t *testing.T) {
	t.Parallel()
	const frames = 12
	dir := small(t, 2, frames)
	s := newSmallStack(t, nil)
	w := s.worker([]string{"--pools", "cogflow,media,describe,index"}) // without the pool embed
	run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "library", TaskQueue: workflows.QueueMain},
		"IngestLibrary", ingestflow.LibraryInput{Source: dir})
	require.NoError(t, err)
	described := func() int {
		if s.calls() == 0 {
			return 0
		}
		return s.number("ledger.db", "SELECT count(*) FROM call WHERE answered")
	}
	require.Eventually(t, func() bool { return described() == 2*frames }, soon, 50*time.Millisecond)
	w.drain()
	require.NoError(t, s.server.Stop())

	backup := t.TempDir()
	state := func(from, to string, args ...string) {
		t.Helper()
		for _, pattern := range []string{"temporal", "index.db*", "ledger.db*", "store"} {
			found, err := filepath.Glob(filepath.Join(from, pattern))
			require.NoError(t, err)
			require.NotEmpty(t, found)
			out, err := exec.CommandContext(t.Context(), args[0], append(append(args[1:], found...), to)...).CombinedOutput() //nolint:gosec // see the callers
			require.NoError(t, err, string(out))
		}
	}
	state(s.dir, backup, "cp", "-a")
	state(s.dir, t.TempDir(), "mv") // the disk is lost
	state(backup, s.dir, "cp", "-a")

	s.start()
	code, stdout := s.cogflow()("store", "check", "--full", "--json")
	require.Equal(t, 0, code, stdout)
	s.worker(nil)
	out := await[ingestflow.LibraryResult](s, s.client.GetWorkflow(t.Context(), run.GetID(), run.GetRunID()), soon)
	require.Empty(t, out.Failures)
	require.Len(t, s.visible(), 2*frames)
	require.Empty(t, s.rows("ledger.db", "SELECT fingerprint FROM call WHERE answered GROUP BY fingerprint HAVING count(*) > 1"))
	require.Equal(t, 2*frames, s.number("ledger.db", "SELECT count(*) FROM call WHERE answered AND kind='describe'"))
}

// copyWithoutXattrs copies only the content of files.
func copyWithoutXattrs(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o600)
	}))
}
