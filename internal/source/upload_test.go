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

func (u uploaded) Part(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	_, err := u.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(strings.NewReader(u[key][offset : offset+length])), nil
}

func (u uploaded) Stat(_ context.Context, key string) (object.Info, error) {
	text, ok := u[key]
	if !ok {
		return object.Info{}, object.ErrNotFound
	}
	return object.Info{Key: key, Size: int64(len(text)), SHA256: strings.Repeat("a", 64)}, nil
}

// TestUploadIsReadInParts: a player that jumps reads what it asks for, and nothing before it.
func TestUploadIsReadInParts(t *testing.T) {
	t.Parallel()
	sum, text := strings.Repeat("a", 64), strings.Repeat("0123456789", 1<<19) // 5 MiB
	read := 0
	s, err := source.New(source.Config{Uploads: counting{uploaded{training.UploadKey("acme", sum): text}, &read}, Scratch: t.TempDir()})
	require.NoError(t, err)
	stream, err := s.Stream(t.Context(), "acme", "upload://"+sum+"/x.mp4")
	require.NoError(t, err)
	for _, at := range []int64{4 << 20, 0, 4<<20 + 10, 5<<20 - 4} {
		_, err := stream.Seek(at, io.SeekStart)
		require.NoError(t, err)
		got := make([]byte, 4)
		_, err = io.ReadFull(stream, got)
		require.NoError(t, err)
		require.Equal(t, text[at:at+4], string(got))
	}
	require.LessOrEqual(t, read, 4<<20, "a window for each jump")
	_, err = stream.Read(make([]byte, 4))
	require.Equal(t, io.EOF, err)
	require.NoError(t, stream.Close())
}

// counting counts the bytes that are read.
type counting struct {
	uploaded
	read *int
}

func (c counting) Get(context.Context, string) (io.ReadCloser, object.Info, error) {
	panic("a player reads no whole object")
}

func (c counting) Part(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	*c.read += int(length)
	return c.uploaded.Part(ctx, key, offset, length)
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
