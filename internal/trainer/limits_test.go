package trainer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/training"
)

// TestLimits: a trainer that exceeds its limit of memory or processes ends with all its
// children, and the error gives the reason: with and without a control group, and without
// a sandbox.
func TestLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]sandbox.Config{
		"default":           {},
		"no control groups": {NoGroups: true},
		"no sandbox":        {Off: true, NoGroups: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box, err := sandbox.New(t.Context(), c)
			require.NoError(t, err)
			r := runner(t, Options{Sandbox: box, Memory: 256 << 20, Processes: 100})
			run := func(what string) error {
				return r.Run(t.Context(), job(t, what), "", nil, nil, func(training.Event) error { return nil })
			}
			err = run("hog")
			require.ErrorIs(t, err, training.ErrOutOfMemory)
			require.Equal(t, fault.Capacity, fault.ClassOf(err))
			require.ErrorContains(t, err, "more than 256 MiB of the machine's memory")
			err = run("forks")
			require.NotErrorIs(t, err, training.ErrOutOfMemory)
			require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, "more than 100 processes")
			require.NoError(t, run("whole"))
		})
	}
}

// TestDefaultLimits: nearly all memory of the machine, and enough processes for many threads.
func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	total := machineMemory()
	memory, processes := DefaultLimits()
	require.NotZero(t, total)
	require.Less(t, memory, total)
	require.GreaterOrEqual(t, memory, total/2)
	require.GreaterOrEqual(t, processes, uint64(4096))
}
