package speeds_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/train/speeds"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/training"
)

// TestSpeeds: the newest speed counts, for jobs of its kind and its class only. A damaged one
// is an error, because an estimate without it would differ.
func TestSpeeds(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	spec := training.Spec{Method: training.SFT, Model: "m", Numerics: training.BF16, LoRA: &training.LoRA{R: 8}, Config: training.Config{MaxSeqLength: 512}}
	for _, tokens := range []float64{100, 200} {
		require.NoError(t, speeds.Keep(t.Context(), store, "default", spec, "a10g", tokens, 12))
	}
	got, err := speeds.Read(t.Context(), store, "default", spec, []string{"cpu", "a10g"})
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "a10g", got[0].Class)
	require.InDelta(t, 200, got[0].TokensPerSecond, 0)
	require.InDelta(t, 12, got[0].StartupSeconds, 0)
	require.True(t, got[0].LoRA)

	other := spec
	other.Config.MaxSeqLength = 1024
	got, err = speeds.Read(t.Context(), store, "default", other, []string{"a10g"})
	require.NoError(t, err)
	require.Empty(t, got)

	key, err := training.SpeedKey("default", spec, "a10g")
	require.NoError(t, err)
	_, err = store.Put(t.Context(), key, strings.NewReader("{"))
	require.NoError(t, err)
	_, err = speeds.Read(t.Context(), store, "default", spec, []string{"a10g"})
	require.Error(t, err)
}
