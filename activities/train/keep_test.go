package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/training"
)

// keeping is a job on one disk, whose attempts come and go.
type keeping struct {
	t *testing.T
	a *Activities
}

func newKeeping(t *testing.T) *keeping {
	t.Helper()
	dir := t.TempDir()
	store, err := blob.Open(t.Context(), "file://"+filepath.Join(dir, "store"))
	require.NoError(t, err)
	return &keeping{t: t, a: &Activities{Store: store, Kept: filepath.Join(dir, "tmp"), Scratch: t.TempDir()}}
}

// attempt begins a run of the job.
func (k *keeping) attempt(token string) *attempt {
	r := &attempt{a: k.a, token: token, dir: k.t.TempDir(), in: RunInput{Tenant: "default", Job: "job"}}
	r.saver, r.work = newSaver(r), filepath.Join(r.dir, "work")
	require.NoError(k.t, os.Mkdir(r.work, 0o700))
	return r
}

// written is what the trainer makes: a whole checkpoint, which the run is told of.
func (k *keeping) written(r *attempt, step int) localCheckpoint {
	k.t.Helper()
	name := fmt.Sprint("checkpoints/written-", step)
	dir := filepath.Join(r.work, name)
	require.NoError(k.t, os.MkdirAll(dir, 0o700))
	weights := fmt.Appendf(nil, "weights of step %d", step)
	sum := sha256.Sum256(weights)
	m, err := json.Marshal(training.CheckpointManifest{Version: 1, Job: "job", Step: step, Files: []training.CheckpointFile{
		{Name: "weights", Size: int64(len(weights)), SHA256: hex.EncodeToString(sum[:])},
	}})
	require.NoError(k.t, err)
	require.NoError(k.t, os.WriteFile(filepath.Join(dir, "weights"), weights, 0o600))
	require.NoError(k.t, os.WriteFile(filepath.Join(dir, training.ManifestName), m, 0o600))
	r.events = append(r.events, training.Event{Event: training.EventCheckpoint, Step: step, Path: name})
	c, err := r.keep(name, step)
	require.NoError(k.t, err)
	return c
}

// resumed is where another attempt goes on: its step, and how many events it knows.
func (k *keeping) resumed(token string) (step, events int) {
	k.t.Helper()
	r := k.attempt(token)
	dir, err := r.resume(k.t.Context())
	require.NoError(k.t, err)
	r.tidy()
	left, err := filepath.Glob(filepath.Join(k.a.Kept, "*"))
	require.NoError(k.t, err)
	require.Empty(k.t, left)
	if dir != "" {
		weights, err := os.ReadFile(filepath.Join(dir, "weights"))
		require.NoError(k.t, err)
		require.Equal(k.t, fmt.Sprint("weights of step ", r.resumed), string(weights))
		require.NoFileExists(k.t, filepath.Join(dir, training.EventsName))
	}
	return r.resumed, len(r.events)
}

// TestKeptCheckpoints kills attempts before what they wrote is stored.
func TestKeptCheckpoints(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leave        func(k *keeping, r *attempt)
		step, events int
	}{
		"nothing": {func(*keeping, *attempt) {}, 0, 0},
		"newest":  {func(k *keeping, r *attempt) { k.written(r, 2); k.written(r, 4) }, 4, 2},
		"newest of several attempts": {func(k *keeping, r *attempt) {
			k.written(r, 10)
			k.written(k.attempt("b"), 9)
		}, 10, 1},
		"torn weights": {func(k *keeping, r *attempt) {
			k.written(r, 2)
			require.NoError(k.t, os.Truncate(filepath.Join(k.written(r, 4).dir, "weights"), 3))
		}, 2, 1},
		"torn events": {func(k *keeping, r *attempt) {
			k.written(r, 2)
			require.NoError(k.t, os.Truncate(filepath.Join(k.written(r, 4).dir, training.EventsName), 9))
		}, 2, 1},
		"events without an end": {func(k *keeping, r *attempt) {
			require.NoError(k.t, os.Truncate(filepath.Join(k.written(r, 4).dir, training.EventsName), 0))
		}, 0, 0},
		"no manifest": {func(k *keeping, r *attempt) {
			require.NoError(k.t, os.Remove(filepath.Join(k.written(r, 4).dir, training.ManifestName)))
		}, 0, 0},
		"stored already": {func(k *keeping, r *attempt) {
			k.written(r, 2)
			require.NoError(k.t, r.storeCheckpoint(k.t.Context(), k.written(r, 4)))
		}, 4, 2},
		"something else": {func(k *keeping, r *attempt) {
			require.NoError(k.t, os.MkdirAll(filepath.Join(r.keptDir(), "lost+found"), 0o700))
			k.written(r, 2)
		}, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeeping(t)
			c.leave(k, k.attempt("a"))
			step, events := k.resumed("c")
			require.Equal(t, c.step, step)
			require.Equal(t, c.events, events)
		})
	}
}

// TestKeptWhileTheStoreIsAway loses nothing.
func TestKeptWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	k.written(k.attempt("a"), 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := k.attempt("b").resume(ctx)
	require.ErrorIs(t, err, context.Canceled)
	step, _ := k.resumed("c")
	require.Equal(t, 2, step)
}
