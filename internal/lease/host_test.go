package lease

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
)

// TestOfHost: configured devices take precedence over those that the driver reports, and a
// class of GPUs requires one.
func TestOfHost(t *testing.T) {
	t.Parallel()
	cpu, err := OfHost(t.Context(), gpu.NewHost(gpu.None{}, nil), []string{"GPU-1"}, "cpu", "train-cpu")
	require.NoError(t, err)
	require.Equal(t, 1, cpu.Total())
	configured, err := OfHost(t.Context(), gpu.NewHost(gpu.None{}, nil), []string{"GPU-1", "GPU-2"}, "a10g", "train-a10g")
	require.NoError(t, err)
	require.Equal(t, 2, configured.Total())
	_, err = OfHost(t.Context(), gpu.NewHost(gpu.None{}, nil), nil, "a10g", "train-a10g")
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "this host has no visible GPU")
	require.ErrorContains(t, err, "train-a10g")
}
