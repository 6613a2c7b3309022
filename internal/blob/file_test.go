package blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/blob/blobtest"
	"github.com/cogniverse/cogflow/object"
)

func open(t testing.TB, dir string) blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), "file://"+filepath.ToSlash(dir))
	require.NoError(t, err)
	return s
}

func TestFile(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, filepath.Join(t.TempDir(), "new", "store")) })
}

// TestFileShared runs the suite over a directory that two stores share, as two
// worker processes do; every call goes to the other one.
func TestFileShared(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store {
		dir := t.TempDir()
		return &alternating{stores: [2]blob.Store{open(t, dir), open(t, dir)}}
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"s3://Bucket":          "lower-case",
		"s3://bucket/../x":     `".."`,
		"s3:bucket":            "%3F",
		"":                     "must be file:///absolute/path",
		"/plain/path":          "must be file:///absolute/path",
		"file://relative/path": "three slashes",
		"file:relative":        "absolute",
		"file:///x?y=z":        "nothing after the path",
		"gs://bucket":          "must be file:///absolute/path",
		"file:///a%00b":        "absolute",
		"file://%zz":           "not a URL",
	} {
		_, err := blob.Open(t.Context(), url)
		require.Equal(t, fault.Input, fault.ClassOf(err), url)
		require.ErrorContains(t, err, want, url)
	}
}

func read(s blob.Store, key string) error {
	r, _, err := s.Get(context.Background(), key)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

func TestTornObjects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for name, damage := range map[string]func(path string) error{
		"changed": func(p string) error { return overwrite(p, "tExt") },
		"short":   func(p string) error { return os.Truncate(p, 2) },
		"empty":   func(p string) error { return os.Truncate(p, 0) },
		"foreign": func(p string) error { return os.WriteFile(p+"~", []byte("text"), 0o600) },
	} {
		key := "acme/" + name
		_, err := s.Put(t.Context(), key, strings.NewReader("text"))
		require.NoError(t, err)
		require.NoError(t, damage(filepath.Join(dir, key)))
		if name == "foreign" { // copied in without its attribute
			require.NoError(t, os.Rename(filepath.Join(dir, key+"~"), filepath.Join(dir, key)))
		}
		require.ErrorIs(t, read(s, key), object.ErrCorrupt, name)
		if name != "changed" {
			_, err = s.Stat(t.Context(), key)
			require.ErrorIs(t, err, object.ErrCorrupt, name)
		}
		_, err = s.Create(t.Context(), key, strings.NewReader("text"))
		require.ErrorIs(t, err, object.ErrExists)
	}
	seen := 0
	require.NoError(t, s.List(t.Context(), "", func(i object.Info) error {
		seen++
		require.Equal(t, i.Key == "acme/changed", i.SHA256 != "", i.Key)
		return nil
	}))
	require.Equal(t, 4, seen)
	_, err := s.Replace(t.Context(), "acme/foreign", "", strings.NewReader("whole"))
	require.NoError(t, err, "an unreadable object is replaced in one step")
	require.NoError(t, read(s, "acme/foreign"))
	_, err = s.Replace(t.Context(), "acme/foreign", "", strings.NewReader("again"))
	require.ErrorIs(t, err, object.ErrChanged, "once")
	_, err = s.Put(t.Context(), "acme/short", strings.NewReader("again"))
	require.NoError(t, err)
	require.NoError(t, read(s, "acme/short"))
}

func overwrite(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func TestNoTemporaryFileIsLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dead := filepath.Join(dir, ".tmp", "put-DEAD")
	require.NoError(t, os.MkdirAll(filepath.Dir(dead), 0o700))
	require.NoError(t, os.WriteFile(dead, nil, 0o600))
	s := open(t, dir)
	require.NoFileExists(t, dead)

	// A store that opens while another writes leaves it alone.
	_, err := s.Put(t.Context(), "acme/slow", readerFunc(func([]byte) (int, error) {
		open(t, dir)
		return 0, io.EOF
	}))
	require.NoError(t, err)

	_, err = s.Put(t.Context(), "acme/a", strings.NewReader("1"))
	require.NoError(t, err)
	_, err = s.Create(t.Context(), "acme/a", strings.NewReader("2"))
	require.Error(t, err)
	_, err = s.Replace(t.Context(), "acme/a", "no", strings.NewReader("2"))
	require.Error(t, err)
	_, err = s.Put(t.Context(), "acme/a/below", strings.NewReader("2"))
	require.Equal(t, fault.Input, fault.ClassOf(err), err)
	entries, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	require.NoError(t, err)
	for _, e := range entries {
		require.NotContains(t, e.Name(), "put-")
	}
}

func TestLinksDoNotLeadOut(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600))
	s := open(t, dir)
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "acme")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")))
	for _, key := range []string{"acme/secret", "link"} {
		require.Error(t, read(s, key))
	}
	_, err := s.Put(t.Context(), "acme/new", strings.NewReader("x"))
	require.Error(t, err)
	require.NoFileExists(t, filepath.Join(outside, "new"))
	require.NoError(t, s.Delete(t.Context(), "link")) // the link, not what it names
	require.FileExists(t, filepath.Join(outside, "secret"))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type alternating struct {
	mu     sync.Mutex
	turn   int
	stores [2]blob.Store
}

func (a *alternating) next() blob.Store {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn++
	return a.stores[a.turn%2]
}

func (a *alternating) Put(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	return a.next().Put(ctx, key, r)
}

func (a *alternating) PutContent(ctx context.Context, key string, c object.Content) (object.Info, error) {
	return a.next().PutContent(ctx, key, c)
}

func (a *alternating) Create(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	return a.next().Create(ctx, key, r)
}

func (a *alternating) Replace(ctx context.Context, key, sum string, r io.Reader) (object.Info, error) {
	return a.next().Replace(ctx, key, sum, r)
}

func (a *alternating) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	return a.next().Get(ctx, key)
}

func (a *alternating) Part(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	return a.next().Part(ctx, key, offset, length)
}

func (a *alternating) Stat(ctx context.Context, key string) (object.Info, error) {
	return a.next().Stat(ctx, key)
}

func (a *alternating) List(ctx context.Context, prefix string, yield func(object.Info) error) error {
	return a.next().List(ctx, prefix, yield)
}

func (a *alternating) Owners(ctx context.Context) ([]string, error) { return a.next().Owners(ctx) }

func (a *alternating) Delete(ctx context.Context, key string) error { return a.next().Delete(ctx, key) }

func (a *alternating) DeleteIf(ctx context.Context, key, sum string) error {
	return a.next().DeleteIf(ctx, key, sum)
}

// BenchmarkPut writes 500-byte objects, the size of a caption, from 64 goroutines.
func BenchmarkPut(b *testing.B) {
	s, text := open(b, b.TempDir()), strings.Repeat("x", 500)
	var jobs sync.WaitGroup
	keys := make(chan int)
	for range 64 {
		jobs.Go(func() {
			for i := range keys {
				if _, err := s.Put(context.Background(), fmt.Sprintf("acme/captions/%06d", i), strings.NewReader(text)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range b.N {
		keys <- i
	}
	close(keys)
	jobs.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}

// BenchmarkCreate shows what durability costs.
func BenchmarkCreate(b *testing.B) {
	s := open(b, b.TempDir())
	for i := range b.N {
		if _, err := s.Create(context.Background(), fmt.Sprintf("acme/%d", i), strings.NewReader("x")); err != nil {
			b.Fatal(err)
		}
	}
}
