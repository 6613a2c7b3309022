package activities_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

func files(t *testing.T) activities.Store {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	return store
}

// torn is a store in which the objects of some keys are damaged, as after a crash of the
// machine, until they are written again.
type torn struct {
	activities.Store
	mu   sync.Mutex
	keys map[string]bool
}

func (s *torn) is(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[key]
}

func (s *torn) Stat(ctx context.Context, key string) (object.Info, error) {
	if s.is(key) {
		return object.Info{}, object.ErrCorrupt
	}
	return s.Store.Stat(ctx, key)
}

func (s *torn) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	if s.is(key) {
		return nil, object.Info{}, object.ErrCorrupt
	}
	return s.Store.Get(ctx, key)
}

func (s *torn) Replace(ctx context.Context, key, sum string, r io.Reader) (object.Info, error) {
	if !s.is(key) {
		return s.Store.Replace(ctx, key, sum, r)
	}
	if sum != "" {
		return object.Info{}, object.ErrChanged
	}
	info, err := s.Put(ctx, key, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, key)
	return info, err
}

// TestManifestsReplaceTornOnes: the next writer replaces a manifest that a crash has damaged.
// An intact manifest is replaced only on purpose.
func TestManifestsReplaceTornOnes(t *testing.T) {
	t.Parallel()
	const key = "default/m.json"
	for name, c := range map[string]struct {
		write func(context.Context, activities.Store, string, any) error
		want  int // what is there after a second write over a whole one
		err   error
	}{
		"WriteManifest": {activities.WriteManifest, 2, nil},
		"KeepFirst":     {activities.KeepFirst, 1, nil},
		"CreateJSON":    {activities.CreateJSON, 1, object.ErrExists},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &torn{Store: files(t), keys: map[string]bool{}}
			require.NoError(t, c.write(t.Context(), s, key, 0))
			s.keys[key] = true
			require.NoError(t, c.write(t.Context(), s, key, 1))
			require.ErrorIs(t, c.write(t.Context(), s, key, 2), c.err)
			var got int
			require.NoError(t, activities.ReadJSON(t.Context(), s, key, &got))
			require.Equal(t, c.want, got)
		})
	}
}

// TestManifestsAtOnce: concurrent writers leave the complete manifest of one of them.
func TestManifestsAtOnce(t *testing.T) {
	t.Parallel()
	s := files(t)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			if err := activities.WriteManifest(t.Context(), s, "default/m.json", map[string]int{"i": i}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var got map[string]int
	require.NoError(t, activities.ReadJSON(t.Context(), s, "default/m.json", &got))
	require.Contains(t, got, "i")
}

// TestWritesWithoutRoom: a write to a full disk fails and keeps the existing object.
func TestWritesWithoutRoom(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(context.Context, activities.Store, string, any) error{
		"WriteJSON": activities.WriteJSON, "WriteManifest": activities.WriteManifest, "CreateJSON": activities.CreateJSON,
	} {
		s := &activitytest.Store{Store: files(t)}
		require.NoError(t, write(t.Context(), s, "default/a", 1))
		s.NoRoom = func(string) bool { return true }
		for _, key := range []string{"default/a", "default/b"} {
			require.Equal(t, fault.Capacity, fault.ClassOf(write(t.Context(), s, key, 2)), name)
		}
		var got int
		require.NoError(t, activities.ReadJSON(t.Context(), s, "default/a", &got))
		require.Equal(t, 1, got)
		require.ErrorIs(t, activities.ReadJSON(t.Context(), s, "default/b", &got), object.ErrNotFound)
	}
}

// TestUnreadableJSON: invalid JSON is an input error, not a missing object.
func TestUnreadableJSON(t *testing.T) {
	t.Parallel()
	s := files(t)
	_, err := s.Put(t.Context(), "default/a", strings.NewReader("{"))
	require.NoError(t, err)
	var got int
	err = activities.ReadJSON(t.Context(), s, "default/a", &got)
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.False(t, activities.Absent(err))
}

// TestFetchFile: a file of a manifest is fetched completely, with the content of the manifest,
// and never to a path outside of the directory.
func TestFetchFile(t *testing.T) {
	t.Parallel()
	s := files(t)
	info, err := s.Put(t.Context(), "default/p/a/weights", strings.NewReader("w"))
	require.NoError(t, err)
	good := training.CheckpointFile{Name: "a/weights", Size: 1, SHA256: info.SHA256}
	dir := t.TempDir()
	for range 2 {
		require.NoError(t, activities.FetchFile(t.Context(), s, "default/p/", good, dir))
		data, err := os.ReadFile(filepath.Join(dir, "a", "weights"))
		require.NoError(t, err)
		require.Equal(t, "w", string(data))
	}
	other := good
	other.SHA256 = strings.Repeat("0", 64)
	require.ErrorIs(t, activities.FetchFile(t.Context(), s, "default/p/", other, dir), object.ErrCorrupt)
	for _, name := range []string{"../weights", "/etc/passwd", "a/../../weights", ""} {
		bad := good
		bad.Name = name
		err := activities.FetchFile(t.Context(), s, "default/p/", bad, dir)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%q: %v", name, err)
	}
	missing := good
	missing.Name = "b"
	require.ErrorIs(t, activities.FetchFile(t.Context(), s, "default/p/", missing, dir), object.ErrNotFound)
	left, err := filepath.Glob(filepath.Join(dir, "*.part"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestCopyObject: a copy whose content differs from the manifest fails.
func TestCopyObject(t *testing.T) {
	t.Parallel()
	s := &activitytest.Store{Store: files(t)}
	info, err := s.Put(t.Context(), "default/a", strings.NewReader("x"))
	require.NoError(t, err)
	require.NoError(t, activities.CopyObject(t.Context(), s, "default/a", "default/b", info.SHA256))
	err = activities.CopyObject(t.Context(), s, "default/a", "default/c", strings.Repeat("0", 64))
	require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
	require.ErrorIs(t, activities.CopyObject(t.Context(), s, "default/none", "default/d", ""), object.ErrNotFound)
	s.NoRoom = func(string) bool { return true }
	require.Equal(t, fault.Capacity, fault.ClassOf(activities.CopyObject(t.Context(), s, "default/a", "default/e", info.SHA256)))
	n, err := activities.DeletePrefix(t.Context(), s, "default/")
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

// oneDocument is a source with one file.
type oneDocument struct {
	path string
	err  error
}

func (d oneDocument) Open(context.Context, tenant.ID, string) (*os.File, string, error) {
	if d.err != nil {
		return nil, "", d.err
	}
	file, err := os.Open(d.path)
	return file, "rows.jsonl", err
}

// TestOpenDataset: rows from any source can be read repeatedly, and the error of a dataset that
// cannot be opened names the dataset.
func TestOpenDataset(t *testing.T) {
	t.Parallel()
	s := files(t)
	const text = `[{"a":1}]`
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	hash := sha256.Sum256([]byte(text))
	sum := hex.EncodeToString(hash[:])
	open := func(d activities.Dataset, documents oneDocument) (rows.Source, func(), error) {
		source, name, closeAll, err := activities.OpenDataset(t.Context(), s, documents, "default", d)
		if err == nil {
			require.NotEmpty(t, name)
		}
		return source, closeAll, err
	}
	upload := activities.Dataset{URI: activities.UploadScheme + sum}
	_, _, err := open(upload, oneDocument{})
	require.ErrorContains(t, err, "nothing was uploaded under this hash")
	for _, key := range []string{training.DatasetKey("default", sum), training.UploadKey("default", sum)} {
		_, err := s.Put(t.Context(), key, bytes.NewReader([]byte(text)))
		require.NoError(t, err)
		for name, d := range map[string]activities.Dataset{
			"upload": upload, "file": {URI: "file:///rows.jsonl"}, "rows": {Rows: []json.RawMessage{json.RawMessage(`{"a":1}`)}},
		} {
			source, closeAll, err := open(d, oneDocument{path: path})
			require.NoError(t, err, name)
			for range 2 {
				r, err := source()
				require.NoError(t, err)
				data, err := io.ReadAll(r)
				require.NoError(t, err)
				require.Equal(t, text, string(data), name)
				require.NoError(t, r.Close())
			}
			closeAll()
		}
	}
	for _, bad := range []string{"", "../x", sum[1:], strings.ToUpper(sum)} {
		_, _, err := open(activities.Dataset{URI: activities.UploadScheme + bad}, oneDocument{})
		require.Equal(t, fault.Input, fault.ClassOf(err), "%q", bad)
	}
	_, _, err = open(activities.Dataset{URI: "x"}, oneDocument{err: fault.New(fault.Input, "open video", "x", "the video file is not there")})
	require.ErrorContains(t, err, `read dataset "x": the file is not there`)
	plain := errors.New("no fault")
	_, _, err = open(activities.Dataset{URI: "x"}, oneDocument{err: plain})
	require.ErrorIs(t, err, plain)
}
