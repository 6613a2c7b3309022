package childtest

import (
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEnded: from the kill on, a process has ended, before and after something waits for it.
func TestEnded(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	for range 100 {
		cmd := exec.CommandContext(t.Context(), "sleep", "86400")
		require.NoError(t, cmd.Start())
		require.False(t, Ended(cmd.Process.Pid))
		require.NoError(t, cmd.Process.Kill())
		require.True(t, Ended(cmd.Process.Pid))
		require.Error(t, cmd.Wait())
		require.True(t, Ended(cmd.Process.Pid))
	}
	require.True(t, killed("Name:\tsh\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n"))
	require.False(t, killed("Name:\tsh\nSigPnd:\t0000000000004000\nShdPnd:\t0000000000000000\n"))
}
