//go:build linux

package fleet

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows/ingest"
	"github.com/cogniverse/cogflow/workflows/optimize"
	"github.com/cogniverse/cogflow/workflows/train"
)

// TestFleet runs all pipelines with each pool on a host of its own, and compares the results with
// those of one host.
func TestFleet(t *testing.T) {
	f := newFleet(t)
	modelMade := f.makeModel()
	f.startWorkers()
	f.upload(3, 6)
	f.startSingle()
	require.Zero(t, f.cogflow(control, "health").Code)
	modelMade()
	for _, on := range []string{control, single} {
		in := result[ingest.LibraryResult](f, on, "ingest", "s3://videos")
		require.Equal(t, 3, in.Indexed)
		found := result[ingest.SearchResult](f, on, "search", "red")
		require.NotEmpty(t, found.Hits)
		opt := result[optimize.Result](f, on, optimization()...)
		require.Equal(t, 1, opt.Version)
		tr := result[train.Result](f, on, training()...)
		require.Equal(t, "trained", tr.Status)
	}
	f.checkIsolation()
	f.checkEqual()
}
