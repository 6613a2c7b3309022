package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/internal/index/indextest"
	"github.com/cogniverse/cogflow/internal/sqlite"
)

var _ ingest.Index = (*sqlite.Index)(nil)

func open(t testing.TB, path string) *sqlite.Index {
	t.Helper()
	x, err := sqlite.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	return x
}

func TestConformance(t *testing.T) {
	t.Parallel()
	indextest.Run(t, func(t *testing.T) indextest.Index {
		return open(t, filepath.Join(t.TempDir(), "index.db"))
	})
}
