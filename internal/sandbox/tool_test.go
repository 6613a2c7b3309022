package sandbox

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// TestTool: a tool returns its output, also when it fails, and at the time limit it ends with
// all its descendants.
func TestTool(t *testing.T) {
	t.Parallel()
	out, err := Tool(t.Context(), shell(t, "echo answer"))
	require.NoError(t, err)
	require.Equal(t, "answer\n", string(out))
	out, err = Tool(t.Context(), shell(t, "echo answer; echo why >&2; exit 6"))
	exit, ok := errors.AsType[*ExitError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "why\n", exit.Stderr)
	require.Equal(t, "answer\n", string(out))

	c := shell(t, "sleep 1000 & sleep 1000")
	c.Limits.Wall = time.Millisecond
	_, err = Tool(t.Context(), c)
	require.ErrorIs(t, err, ErrWall)
	_, err = Tool(t.Context(), shell(t, "yes"))
	require.ErrorIs(t, err, ErrOutput)
	_, err = Tool(t.Context(), Command{Path: "/nowhere/tool"})
	require.Equal(t, fault.Input, fault.ClassOf(err))
}
