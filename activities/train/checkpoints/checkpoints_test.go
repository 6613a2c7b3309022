package checkpoints_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/train/checkpoints"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/training"
)

// TestPrune: incomplete checkpoints do not count, and those before the kept ones go.
func TestPrune(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	at := func(step int) string { return training.CheckpointPrefix("default", "job", step) }
	for _, key := range []string{
		at(1) + "x/weights", at(2) + training.ManifestName, at(2) + "x/weights", at(3) + "x/manifest.json",
		at(4) + training.ManifestName, at(6) + training.ManifestName, at(8) + "x/weights",
	} {
		_, err := store.Put(t.Context(), key, strings.NewReader("{}"))
		require.NoError(t, err)
	}
	whole, all, err := checkpoints.List(t.Context(), store, "default", "job")
	require.NoError(t, err)
	require.Equal(t, []string{at(6), at(4), at(2)}, whole)
	require.Equal(t, []string{at(1), at(2), at(3), at(4), at(6), at(8)}, all)

	require.NoError(t, checkpoints.Prune(t.Context(), store, "default", "job", 3))
	_, left, err := checkpoints.List(t.Context(), store, "default", "job")
	require.NoError(t, err)
	require.Equal(t, all, left)
	require.NoError(t, checkpoints.Prune(t.Context(), store, "default", "job", 2))
	_, left, err = checkpoints.List(t.Context(), store, "default", "job")
	require.NoError(t, err)
	require.Equal(t, []string{at(4), at(6), at(8)}, left)
	require.NoError(t, checkpoints.Prune(t.Context(), store, "default", "job", 0))
	_, left, err = checkpoints.List(t.Context(), store, "default", "job")
	require.NoError(t, err)
	require.Empty(t, left)
}
