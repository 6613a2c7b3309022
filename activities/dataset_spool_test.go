package activities_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
)

// TestSpooled: only a stream of Parquet is copied, once.
func TestSpooled(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"PAR1 and more": 1, `{"a": 1}`: 0, "": 0} {
		dir, opened := t.TempDir(), 0
		open := activities.Spooled(dir, func() (io.ReadCloser, error) {
			opened++
			return io.NopCloser(io.MultiReader(strings.NewReader(text))), nil
		})
		for range 3 {
			r, err := open()
			require.NoError(t, err)
			data, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, text, string(data))
			_, seekable := r.(io.ReaderAt)
			require.Equal(t, want == 1, seekable)
			require.NoError(t, r.Close())
		}
		copies, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, copies, want)
		require.Equal(t, 3-2*want, opened)
	}
	file := filepath.Join(t.TempDir(), "rows.parquet")
	require.NoError(t, os.WriteFile(file, []byte("PAR1"), 0o600))
	nowhere := activities.Spooled("/nowhere", func() (io.ReadCloser, error) { return os.Open(file) })
	r, err := nowhere()
	require.NoError(t, err, "a file is read where it is")
	require.NoError(t, r.Close())
}
