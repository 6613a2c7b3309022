// Package blobtest is the suite that every object store must pass.
package blobtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
)

// Run checks a store. open returns an empty store that no other test uses.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for name, test := range map[string]func(*testing.T, blob.Store){
		"put and get":        putGet,
		"parts":              parts,
		"overwrite":          overwrite,
		"streams":            streams,
		"content":            content,
		"missing":            missing,
		"create":             create,
		"create race":        createRace,
		"replace":            replace,
		"replace race":       replaceRace,
		"list":               list,
		"list stops":         listStops,
		"owners":             owners,
		"delete":             remove,
		"delete if":          removeIf,
		"delete if race":     removeIfRace,
		"delete against put": deleteAgainstPut,
		"keys":               keys,
		"failing content":    failingContent,
		"cancel":             cancel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// Sum is the SHA-256 of a text as stores spell it.
func Sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

func put(t *testing.T, s blob.Store, key, text string) object.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, strings.NewReader(text))
	require.NoError(t, err)
	return info
}

func get(t *testing.T, s blob.Store, key string) string {
	t.Helper()
	r, info, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, Sum(string(text)), info.SHA256)
	return string(text)
}

func listed(t *testing.T, s blob.Store, prefix string) []string {
	t.Helper()
	keys := []string{}
	require.NoError(t, s.List(t.Context(), prefix, func(i object.Info) error {
		require.Len(t, i.SHA256, 64)
		keys = append(keys, i.Key)
		return nil
	}))
	return keys
}

func putGet(t *testing.T, s blob.Store) {
	for _, text := range []string{"hello", ""} {
		info := put(t, s, "org:acme/videos/a b/source.json", text)
		require.Equal(t, "org:acme/videos/a b/source.json", info.Key)
		require.Equal(t, int64(len(text)), info.Size)
		require.Equal(t, Sum(text), info.SHA256)
		require.False(t, info.Modified.IsZero())
		require.Equal(t, text, get(t, s, info.Key))
		again, err := s.Stat(t.Context(), info.Key)
		require.NoError(t, err)
		require.Equal(t, info.SHA256, again.SHA256)
		require.Equal(t, info.Size, again.Size)
	}
}

func overwrite(t *testing.T, s blob.Store) {
	put(t, s, "acme/a", "one")
	old, _, err := s.Get(t.Context(), "acme/a")
	require.NoError(t, err)
	put(t, s, "acme/a", "second")
	text, err := io.ReadAll(old) // a reader keeps the object that it opened
	require.NoError(t, err)
	require.Equal(t, "one", string(text))
	require.NoError(t, old.Close())
	require.Equal(t, "second", get(t, s, "acme/a"))
}

func streams(t *testing.T, s blob.Store) {
	const size = 9<<20 + 7 // above the part size of a multipart upload
	info, err := s.Put(t.Context(), "acme/big", io.LimitReader(endless{}, size))
	require.NoError(t, err)
	require.Equal(t, int64(size), info.Size)
	r, _, err := s.Get(t.Context(), "acme/big")
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, r)
	require.NoError(t, err)
	require.Equal(t, int64(size), n)
	require.NoError(t, r.Close())
}

// content stores what is announced, in one piece and in parts, and nothing else.
func content(t *testing.T, s blob.Store) {
	for _, size := range []int64{0, 10, 17<<20 + 5} {
		text := strings.Repeat("x", int(size))
		c := object.Content{Size: size, SHA256: Sum(text), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
		lost := errors.New("lost")
		for name, wrong := range map[string]func(c *object.Content) (want error){
			"shorter": func(c *object.Content) error { c.Size++; return object.ErrMismatch },
			"longer":  func(c *object.Content) error { c.Size--; return object.ErrMismatch },
			"another": func(c *object.Content) error { c.SHA256 = Sum("another"); return object.ErrMismatch },
			"cannot be read": func(c *object.Content) error {
				c.Open = func() (io.ReadCloser, error) { return nil, lost }
				return lost
			},
			"breaks off": func(c *object.Content) error {
				c.Open = func() (io.ReadCloser, error) {
					return io.NopCloser(io.MultiReader(strings.NewReader(text[:size/2]), iotest.ErrReader(lost))), nil
				}
				return lost
			},
		} {
			bad := c
			want := wrong(&bad)
			_, err := s.PutContent(t.Context(), "acme/bad", bad)
			require.ErrorIs(t, err, want, "%d %s", size, name)
			_, err = s.Stat(t.Context(), "acme/bad")
			require.ErrorIs(t, err, object.ErrNotFound, "%d %s", size, name)
		}
		info, err := s.PutContent(t.Context(), "acme/good", c)
		require.NoError(t, err)
		require.Equal(t, size, info.Size)
		stored, err := s.Stat(t.Context(), "acme/good")
		require.NoError(t, err)
		require.Equal(t, c.SHA256, stored.SHA256)
		r, _, err := s.Get(t.Context(), "acme/good")
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, r)
		require.NoError(t, err)
		require.Equal(t, size, n)
		require.NoError(t, r.Close())
	}
}

func missing(t *testing.T, s blob.Store) {
	put(t, s, "acme/a/b", "x")
	for _, key := range []string{"acme/none", "none/a", "acme/a", "acme/a/b/c"} {
		_, _, err := s.Get(t.Context(), key)
		require.ErrorIs(t, err, object.ErrNotFound, key)
		require.ErrorContains(t, err, key)
		_, err = s.Stat(t.Context(), key)
		require.ErrorIs(t, err, object.ErrNotFound, key)
		require.NoError(t, s.Delete(t.Context(), key))
	}
	_, err := s.Replace(t.Context(), "acme/none", Sum(""), strings.NewReader("x"))
	require.ErrorIs(t, err, object.ErrNotFound)
	require.Equal(t, []string{"acme/a/b"}, listed(t, s, ""))
}

func create(t *testing.T, s blob.Store) {
	info, err := s.Create(t.Context(), "acme/deep/er/claim", strings.NewReader("first"))
	require.NoError(t, err)
	require.Equal(t, Sum("first"), info.SHA256)
	_, err = s.Create(t.Context(), "acme/deep/er/claim", strings.NewReader("second"))
	require.ErrorIs(t, err, object.ErrExists)
	require.Equal(t, "first", get(t, s, "acme/deep/er/claim"))
	require.NoError(t, s.Delete(t.Context(), "acme/deep/er/claim"))
	_, err = s.Create(t.Context(), "acme/deep/er/claim", strings.NewReader("third"))
	require.NoError(t, err)
}

func createRace(t *testing.T, s blob.Store) {
	for round := range 5 {
		key := fmt.Sprintf("acme/claims/%d", round)
		var won atomic.Int32
		together(16, func(i int) {
			switch _, err := s.Create(t.Context(), key, strings.NewReader(fmt.Sprint("claim ", i))); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, object.ErrExists):
				t.Error(err)
			}
		})
		require.Equal(t, int32(1), won.Load())
		require.Contains(t, get(t, s, key), "claim ")
	}
}

func replace(t *testing.T, s blob.Store) {
	put(t, s, "acme/m", "one")
	_, err := s.Replace(t.Context(), "acme/m", Sum("other"), strings.NewReader("two"))
	require.ErrorIs(t, err, object.ErrChanged)
	require.Equal(t, "one", get(t, s, "acme/m"))
	info, err := s.Replace(t.Context(), "acme/m", Sum("one"), strings.NewReader("two"))
	require.NoError(t, err)
	require.Equal(t, Sum("two"), info.SHA256)
	require.Equal(t, "two", get(t, s, "acme/m"))
}

// replaceRace counts with compare-and-swap: no increment may be lost.
func replaceRace(t *testing.T, s blob.Store) {
	const workers, each = 8, 5
	put(t, s, "acme/counter", "")
	together(workers, func(int) {
		for done := 0; done < each; {
			now := get(t, s, "acme/counter")
			_, err := s.Replace(t.Context(), "acme/counter", Sum(now), strings.NewReader(now+"x"))
			if err == nil {
				done++
			} else if !errors.Is(err, object.ErrChanged) {
				t.Error(err)
				return
			}
		}
	})
	require.Len(t, get(t, s, "acme/counter"), workers*each)
}

// together runs do n times at once and waits for all.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i)
	}
	return len(p), nil
}

func refused(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, fault.Input, fault.ClassOf(err), err)
}

func cancelled(t *testing.T) context.Context {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	return ctx
}
