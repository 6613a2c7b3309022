package sandbox

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUsage measures this process, which has threads and memory.
func TestUsage(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	u, err := usageOf(os.Getpid())
	require.NoError(t, err)
	require.GreaterOrEqual(t, u.processes, uint64(2))
	require.Greater(t, u.memory, uint64(1<<20))
	exact := u.exact()
	require.Greater(t, exact, uint64(1<<19))
	require.Less(t, exact, 2*u.memory)
	_, ok := readTask("self")
	require.False(t, ok)
}
