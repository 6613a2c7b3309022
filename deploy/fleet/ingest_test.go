//go:build linux

package fleet

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestFleet: each pool is served by a host of its own.
func TestFleet(t *testing.T) {
	f := newFleet(t)
	f.startWorkers()
	f.upload(3, 6)
	require.Zero(t, f.cogflow(control, "health").Code)
	out := result[ingest.LibraryResult](f, control, "ingest", "s3://videos")
	require.Equal(t, 3, out.Indexed)
	found := result[ingest.SearchResult](f, control, "search", "gray", "--limit", "20")
	require.NotEmpty(t, found.Hits)
	f.checkIsolation()
}
