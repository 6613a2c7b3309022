package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReferenceIsCurrent: what docs/reference says is what the code does.
func TestReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	require.NoError(t, run("../..", true))
}
