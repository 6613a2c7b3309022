package ledger

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
)

// TestOpenExisting: commands create no ledger, wherever they look for one.
func TestOpenExisting(t *testing.T) {
	t.Parallel()
	for _, place := range []string{filepath.Join(t.TempDir(), "ledger.db"), postgrestest.Shared(t).Database(t)} {
		for range 2 { // the first try left nothing
			_, err := OpenExisting(place)
			require.ErrorIs(t, err, ErrAbsent)
		}
		l, err := Open(place)
		require.NoError(t, err)
		require.NoError(t, l.Close())
		l, err = OpenExisting(place)
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
}
