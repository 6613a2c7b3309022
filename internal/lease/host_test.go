package lease

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// TestOfHost: configured devices take precedence over those that the driver reports, and a
// class of GPUs requires one.
func TestOfHost(t *testing.T) {
	cpu, err := OfHost(t.Context(), []string{"GPU-1"}, "cpu", "train-cpu")
	require.NoError(t, err)
	require.Equal(t, 1, cpu.Total())
	configured, err := OfHost(t.Context(), []string{"GPU-1", "GPU-2"}, "a10g", "train-a10g")
	require.NoError(t, err)
	require.Equal(t, 2, configured.Total())
	t.Setenv("PATH", t.TempDir()) // a host without the driver's tool
	_, err = OfHost(t.Context(), nil, "a10g", "train-a10g")
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "this host has no visible GPU")
	require.ErrorContains(t, err, "train-a10g")
}
