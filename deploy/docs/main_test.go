package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReferenceIsCurrent: docs/reference is up to date with the code.
func TestReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	require.NoError(t, run("../..", true))
}
