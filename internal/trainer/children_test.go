package trainer

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/training"
)

// marked finds the processes with a word in their command lines. The process ids that a trainer
// knows are those of its namespace.
func marked(t testing.TB, word string) (pids []int) {
	t.Helper()
	require.NotEmpty(t, word)
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err == nil && slices.Contains(strings.Split(string(line), "\x00"), word) {
			pid, err := strconv.Atoi(strings.Split(path, "/")[2])
			require.NoError(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// end waits for the end of the processes with a word in their command lines.
func end(t testing.TB, word string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(marked(t, word)) == 0 }, time.Minute, 5*time.Millisecond)
}

// TestNoChildIsLeft: the process group ends with its leader.
func TestNoChildIsLeft(t *testing.T) {
	t.Parallel()
	var children []string
	err := runner(t, Options{}).Run(t.Context(), job(t, "orphans"), "", nil, nil, func(e training.Event) error {
		if child, ok := e.Versions["child"]; ok {
			children = append(children, child)
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, children, 2)
	for _, child := range children {
		end(t, child)
	}
}

// TestEscapedChild: Run does not wait for a child that left the group, even if it holds the pipes.
func TestEscapedChild(t *testing.T) {
	t.Parallel()
	off, err := sandbox.New(t.Context(), sandbox.Config{Off: true})
	require.NoError(t, err)
	for _, box := range []*sandbox.Sandbox{nil, off} {
		var child string
		err := runner(t, Options{Sandbox: box}).Run(t.Context(), job(t, "escaped"), "", nil, nil, func(e training.Event) error {
			child += e.Versions["child"]
			return nil
		})
		require.NoError(t, err)
		for _, pid := range marked(t, child) { // without bubblewrap the runner cannot kill it, so the test does
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		end(t, child)
	}
}
