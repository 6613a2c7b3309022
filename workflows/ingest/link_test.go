package ingest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIDsOfChildren(t *testing.T) {
	t.Parallel()
	require.True(t, isChildOf("l/000001", "l"))
	require.True(t, isChildOf("l/1000001", "l"))
	for _, id := range []string{"l", "l/", "l/1", "l/00000x", "m/000001", "l/000001/000001", "ll/000001", "000001"} {
		require.False(t, isChildOf(id, "l"), id)
	}
}
