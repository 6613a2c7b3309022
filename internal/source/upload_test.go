package source_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// uploaded are objects by their keys.
type uploaded map[string]string

func (u uploaded) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	info, err := u.Stat(ctx, key)
	return io.NopCloser(strings.NewReader(u[key])), info, err
}

func (u uploaded) Stat(_ context.Context, key string) (object.Info, error) {
	text, ok := u[key]
	if !ok {
		return object.Info{}, object.ErrNotFound
	}
	return object.Info{Key: key, Size: int64(len(text)), SHA256: strings.Repeat("a", 64)}, nil
}

// TestUpload opens what a tenant has uploaded, and nothing else, also where it has no roots.
func TestUpload(t *testing.T) {
	t.Parallel()
	sum, other := strings.Repeat("a", 64), strings.Repeat("b", 64)
	store := uploaded{
		training.UploadKey("acme", sum): "a video", training.UploadKey("other", other): "secret",
		training.UploadKey("acme", strings.Repeat("c", 64)): "upload://" + sum + "/x.mp4\nfile:///etc/passwd\n",
	}
	s, err := source.New(source.Config{Uploads: store, Scratch: t.TempDir(), Roots: map[tenant.ID][]string{"other": {"/srv"}}})
	require.NoError(t, err)
	uri := "upload://" + sum + "/a%20b.mp4"
	f, name, err := s.Open(t.Context(), "acme", uri)
	require.NoError(t, err)
	defer f.Close()
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Equal(t, "a video", string(data))
	require.Equal(t, "a b.mp4", name)
	version, _, err := s.Version(t.Context(), "acme", uri)
	require.NoError(t, err)
	require.EqualValues(t, 7, version.Bytes)
	part, whole, err := s.Peek(t.Context(), "acme", uri, version)
	require.NoError(t, err)
	require.True(t, whole)
	require.NoError(t, part.Close())
	var listed []string
	_, err = s.List(t.Context(), "acme", uri, false, func(uri string) error { listed = append(listed, uri); return nil })
	require.NoError(t, err)
	require.Equal(t, []string{uri}, listed)
	for _, bad := range []string{
		"upload://" + other + "/x.mp4", "upload://" + sum, "upload://" + sum + "/", "upload://" + sum + "/a/b.mp4", "upload://" + sum + "/..", "upload://x/y.mp4",
		"upload://" + sum + "/%2e%2e%2fx", "upload://" + strings.ToUpper(sum[:63]) + "g/x", "upload://" + sum + "/x.mp4?y=1", "upload://user@" + sum + "/x.mp4",
	} {
		_, _, err := s.Open(t.Context(), "acme", bad)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", bad, err)
	}
	_, err = s.List(t.Context(), "acme", "upload://"+strings.Repeat("c", 64)+"/list.txt", false, func(string) error { return nil })
	require.ErrorContains(t, err, "must not name local files")
	none, err := source.New(source.Config{Scratch: t.TempDir()})
	require.NoError(t, err)
	_, _, err = none.Open(t.Context(), "acme", uri)
	require.ErrorContains(t, err, "no object store")
}
