package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
)

// TestRestore: a store is copied by a tool that knows nothing of extended
// attributes. Until it is checked nothing is lost; when it is repaired, work goes
// on from it and no model is asked again.
func TestRestore(t *testing.T) {
	t.Parallel()
	const frames = 20
	dir := small(t, 1, frames)
	s := newSmallStack(t, nil)
	ingest := func(id string) (out workflows.IngestVideoResult) {
		run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain},
			"IngestVideo", workflows.IngestVideoInput{URI: filepath.Join(dir, "small-0.mp4"), Force: true})
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
	copyPlainly(t, store+".old", store)
	cogflow := s.cogflow()
	code, stdout := cogflow("store", "check", "--json")
	require.Equal(t, 3, code, stdout)
	code, stdout = cogflow("store", "check", "--repair", "--json")
	require.Equal(t, 0, code, stdout)
	var checked struct {
		Counts map[string]int `json:"counts"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &checked))
	require.Positive(t, checked.Counts["repaired"])
	require.Len(t, checked.Counts, 1, "all had lost their checksums")

	s.worker(nil)
	require.Equal(t, frames, ingest("after").Documents)
	require.Equal(t, calls, s.number("ledger.db", "SELECT count(*) FROM call WHERE answered"), "nothing is computed again")
	require.Len(t, s.visible(), frames)
}

// copyPlainly copies the bytes of files and nothing else.
func copyPlainly(t *testing.T, from, to string) {
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
