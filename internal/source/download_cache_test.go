package source

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// TestDownloadCacheIsBounded: the cache is limited in bytes (the oldest files are dropped) and in time.
func TestDownloadCacheIsBounded(t *testing.T) {
	t.Parallel()
	var forget []func()
	s := &downloadCache{most: 10, after: func(d time.Duration, f func()) *time.Timer {
		require.Equal(t, cacheTime, d)
		forget = append(forget, f)
		return nil
	}}
	put := func(id video.ID, size int) {
		f, err := os.Create(filepath.Join(t.TempDir(), "v"))
		require.NoError(t, err)
		_, err = f.Write(make([]byte, size))
		require.NoError(t, err)
		s.put(cacheKey{id: id}, f)
		require.NoError(t, f.Close())
	}
	has := func(id video.ID) bool {
		f := s.take(cacheKey{id: id})
		if f == nil {
			return false
		}
		_, err := f.Stat()
		require.NoError(t, err, "the file must be open")
		require.NoError(t, f.Close())
		return true
	}
	put("a", 5)
	put("b", 5)
	put("c", 5)
	put("large", 11)
	require.False(t, has("a"))
	require.False(t, has("large"))
	require.True(t, has("b"))
	require.False(t, has("b"), "it is removed from the cache")
	require.EqualValues(t, 5, s.bytes)
	forget[1]() // of b, which is removed already
	forget[2]()
	require.False(t, has("c"))
	require.Zero(t, s.bytes)
	require.False(t, s.clear())
	put("d", 1)
	require.True(t, s.clear())
	require.False(t, has("d"))
}
