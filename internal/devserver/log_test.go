package devserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTailOfAPanic: what a server that panics says is its message, by which Start
// knows that a port was taken meanwhile, and not its stack.
func TestTailOfAPanic(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "temporal.log")
	text := "before\npanic: listen tcp 127.0.0.1:45773: bind: address already in use\n\ngoroutine 1 [running]:\n" + strings.Repeat("main.main()\n\t/x.go:1\n", 400)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.Equal(t, "\nbefore\npanic: listen tcp 127.0.0.1:45773: bind: address already in use\n", tail(path))
	long := strings.Repeat("a line\n", 1000)
	require.NoError(t, os.WriteFile(path, []byte(long), 0o600))
	require.Less(t, len(tail(path)), tailSize+3)
	require.True(t, strings.HasSuffix(long, tail(path)[2:]))
}
