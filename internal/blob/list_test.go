package blob

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/object"
)

// TestListWindows lists directories that hold far more names than are sorted at once.
func TestListWindows(t *testing.T) {
	t.Parallel()
	s, err := openFile(t.Context(), t.TempDir())
	require.NoError(t, err)
	s.window = 7
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprintf("acme/%d", i), fmt.Sprintf("acme/%d-/x", i), fmt.Sprintf("t%d/x", i))
	}
	for _, key := range want {
		_, err := s.Put(t.Context(), key, strings.NewReader("x"))
		require.NoError(t, err)
	}
	slices.Sort(want)
	var got []string
	require.NoError(t, s.List(t.Context(), "", func(i object.Info) error {
		got = append(got, i.Key)
		return s.Delete(t.Context(), i.Key) // and removing while listing loses none
	}))
	require.Equal(t, want, got)
}
