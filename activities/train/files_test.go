package train

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/untrusted"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
)

const secret = "a secret of another tenant"

// other is a directory outside the trainer's, which looks like a checkpoint.
func other(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for _, name := range []string{"weights", "rows.jsonl", "evals", training.EventsName} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, training.ManifestName), []byte(`{"version":1,"files":[]}`), 0o600))
	return dir
}

// requireUntouched: nothing outside was moved, changed or stored.
func (k *keeping) requireUntouched(dir string) {
	k.t.Helper()
	for _, name := range []string{"weights", "rows.jsonl", "evals", training.EventsName} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(k.t, err)
		require.Equal(k.t, secret, string(text), name)
	}
	require.NoError(k.t, k.a.Store.List(k.t.Context(), "", func(o object.Info) error {
		text, err := activities.ReadAll(k.t.Context(), k.a.Store, o.Key)
		require.NotContains(k.t, string(text), secret, o.Key)
		return err
	}))
}

// TestCheckpointThroughLink: a path that a trainer reports leads nowhere out of its directory.
func TestCheckpointThroughLink(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(t *testing.T, work, outside string)
		path func(outside string) string
	}{
		"link to the root": {
			func(t *testing.T, work, _ string) { require.NoError(t, os.Symlink("/", filepath.Join(work, "out"))) },
			func(outside string) string { return "out" + outside },
		},
		"link to a directory": {
			func(t *testing.T, work, outside string) {
				require.NoError(t, os.Symlink(outside, filepath.Join(work, "out")))
			},
			func(string) string { return "out" },
		},
		"link within": {
			func(t *testing.T, work, _ string) {
				require.NoError(t, os.Mkdir(filepath.Join(work, "real"), 0o700))
				require.NoError(t, os.Symlink("real", filepath.Join(work, "out")))
			},
			func(string) string { return "out" },
		},
		"file":     {func(t *testing.T, work, _ string) { fill(t, work, "out") }, func(string) string { return "out" }},
		"upwards":  {func(*testing.T, string, string) {}, func(string) string { return "../work" }},
		"work_dir": {func(*testing.T, string, string) {}, func(string) string { return "." }},
		"absolute": {func(*testing.T, string, string) {}, func(outside string) string { return outside }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, outside := newKeeping(t), other(t)
			r := k.attempt("a")
			c.make(t, r.work, outside)
			err := r.take(training.Event{Event: training.EventCheckpoint, Step: 5, Path: c.path(outside)})
			require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
			require.NoError(t, r.saver.flush())
			k.requireUntouched(outside)
			require.DirExists(t, r.work)
		})
	}
}

func fill(t *testing.T, dir, name string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
}

// TestLinksInCheckpoint: within a checkpoint, a link is neither read nor written through.
func TestLinksInCheckpoint(t *testing.T) {
	t.Parallel()
	k, outside := newKeeping(t), other(t)
	for _, name := range []string{"weights", training.ManifestName} {
		r := k.attempt("a")
		c := k.written(r, 2)
		require.NoError(t, os.Remove(filepath.Join(c.dir, name)))
		require.NoError(t, os.Symlink(filepath.Join(outside, name), filepath.Join(c.dir, name)))
		err := r.storeCheckpoint(t.Context(), c)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
		require.NoError(t, os.RemoveAll(c.dir))
	}
	r := k.attempt("b")
	dir := filepath.Join(r.work, "out")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Symlink(filepath.Join(outside, training.EventsName), filepath.Join(dir, training.EventsName)))
	c, err := r.keep("out", 3) // it writes the events itself
	require.NoError(t, err)
	info, err := os.Lstat(filepath.Join(c.dir, training.EventsName))
	require.NoError(t, err)
	require.True(t, info.Mode().IsRegular())
	k.requireUntouched(outside)
}

// TestRowsThroughLink: evaluations and outputs are regular files below the work directory.
func TestRowsThroughLink(t *testing.T) {
	t.Parallel()
	k, outside := newKeeping(t), other(t)
	r := k.attempt("a")
	r.in.Spec.Method = training.SFT
	require.NoError(t, os.Symlink(filepath.Join(outside, "rows.jsonl"), filepath.Join(r.work, "link")))
	require.NoError(t, os.Symlink(outside, filepath.Join(r.work, "out")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(r.work, "fifo"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(r.work, "huge"), nil, 0o600))
	require.NoError(t, os.Truncate(filepath.Join(r.work, "huge"), 2*maxRowsBytes))
	for _, name := range []string{"link", "out/rows.jsonl", "fifo", "huge", ".", "../x"} {
		_, err := r.compare(name, name)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
		require.NotContains(t, err.Error(), secret)
	}
	_, err := r.compare("missing", "missing")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Empty(t, fault.ClassOf(err), "a fault of the trainer, which is not waited for")

	require.NoError(t, os.Symlink(outside, filepath.Join(r.work, "output")))
	require.Equal(t, fault.Input, fault.ClassOf(r.keepOutput(t.Context(), training.Job{})))
	require.NoError(t, os.Remove(filepath.Join(r.work, "output")))
	require.NoError(t, os.Mkdir(filepath.Join(r.work, "output"), 0o700))
	require.NoError(t, syscall.Mkfifo(filepath.Join(r.work, "output", "weights"), 0o600))
	require.Equal(t, fault.Input, fault.ClassOf(r.keepOutput(t.Context(), training.Job{})))
	k.requireUntouched(outside)
}

// TestTrainerFilesBounds: a sparse file costs the trainer nothing and would fill the store.
func TestTrainerFilesBounds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "weights"), []byte("x"), 0o600))
	require.NoError(t, os.Truncate(filepath.Join(dir, "weights"), 1<<40))
	files, err := untrusted.Open(dir)
	require.NoError(t, err)
	defer files.Close()
	_, err = files.Open("weights", untrusted.MaxBytes)
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	_, err = files.Open("weights", 1<<30)
	require.ErrorContains(t, err, "at most")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, strings.Repeat("d/", untrusted.MaxDepth+3)), 0o700))
	_, err = files.Names()
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
}

// TestEventsWithoutEnd do not take the memory of the worker.
func TestEventsWithoutEnd(t *testing.T) {
	t.Parallel()
	r := newKeeping(t).attempt("a")
	require.NoError(t, r.take(training.Event{Event: training.EventPhase, Phase: strings.Repeat("p", 900_000)}))
	require.Less(t, len(r.snapshot().Report.Phase), 100)
	r.eventBytes = maxEvents
	require.Equal(t, fault.Input, fault.ClassOf(r.take(training.Event{Event: training.EventStep, Step: 1})))
	require.Empty(t, r.events)
}

// TestRemoveTree: no permission that a trainer takes away keeps its files from being removed.
func TestRemoveTree(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir, outside := filepath.Join(top, "dir"), other(t)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b", "c"), 0o700))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "a", "link")))
	fill(t, filepath.Join(dir, "a", "b"), "file")
	for _, name := range []string{"a/b/c", "a/b", "a", "."} {
		require.NoError(t, os.Chmod(filepath.Join(dir, name), 0))
	}
	require.NoError(t, untrusted.RemoveTree(dir))
	require.NoDirExists(t, dir)
	require.FileExists(t, filepath.Join(outside, "weights"))
	require.NoError(t, untrusted.RemoveTree(dir), "it is gone already")
}
