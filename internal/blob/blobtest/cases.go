package blobtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
)

func parts(t *testing.T, s blob.Store) {
	text := strings.Repeat("0123456789", 100)
	put(t, s, "acme/a", text)
	for _, p := range [][2]int{{0, 1000}, {0, 1}, {999, 1}, {990, 10}, {123, 456}, {0, 0}, {1000, 0}} {
		r, err := s.Part(t.Context(), "acme/a", int64(p[0]), int64(p[1]))
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.Equal(t, text[p[0]:p[0]+p[1]], string(got))
	}
	for _, p := range [][2]int64{{-1, 1}, {0, -1}, {0, 1001}, {1000, 1}, {1001, 0}, {1 << 62, 1 << 62}} {
		_, err := s.Part(t.Context(), "acme/a", p[0], p[1])
		refused(t, err)
	}
	_, err := s.Part(t.Context(), "acme/none", 0, 1)
	require.ErrorIs(t, err, object.ErrNotFound)
	_, err = s.Part(t.Context(), "../acme", 0, 1)
	refused(t, err)
}

func list(t *testing.T, s blob.Store) {
	all := []string{
		"acme/a", "acme/b-c", "acme/b/1", "acme/b/2/x", "acme/b0", "acme/ba",
		"acme:sub/z", "org:acme/v/10.jpg", "org:acme/v/9.jpg",
	}
	for i := range all { // not in their order
		put(t, s, all[(i*4)%len(all)], "x")
	}
	for prefix, want := range map[string][]string{
		"":           all,
		"acme/":      all[:6],
		"acme":       all[:7],
		"acme/b":     all[1:6],
		"acme/b/":    all[2:4],
		"acme/b/2":   all[3:4],
		"acme/b/2/":  all[3:4],
		"acme/b/2/x": all[3:4],
		"org:acme/v": all[7:],
		"none":       {},
		"acme/a/":    {},
		"acme/a/b/c": {},
	} {
		require.Equal(t, want, listed(t, s, prefix), "prefix %q", prefix)
	}
	for _, prefix := range []string{"/", "a//", "../", "a/../b", ".tmp", `a\`} {
		refused(t, s.List(t.Context(), prefix, func(object.Info) error { return nil }))
	}
}

func owners(t *testing.T, s blob.Store) {
	got, err := s.Owners(t.Context())
	require.NoError(t, err)
	require.Empty(t, got)
	for _, key := range []string{"org:b/x", "acme/b/1", "acme/b/2", "acme-2/x/y/z", "one"} {
		put(t, s, key, "x")
	}
	got, err = s.Owners(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"acme", "acme-2", "org:b"}, got)
}

func listStops(t *testing.T, s blob.Store) {
	for i := range 5 {
		put(t, s, fmt.Sprintf("acme/%d", i), "x")
	}
	stop, seen := errors.New("enough"), 0
	err := s.List(t.Context(), "", func(object.Info) error {
		if seen++; seen == 2 {
			return stop
		}
		return nil
	})
	require.Equal(t, stop, err)
	require.Equal(t, 2, seen)

	// Deleting while listing is how prefixes are removed.
	require.NoError(t, s.List(t.Context(), "acme/", func(i object.Info) error {
		return s.Delete(t.Context(), i.Key)
	}))
	require.Empty(t, listed(t, s, ""))
}

func remove(t *testing.T, s blob.Store) {
	put(t, s, "acme/x/y/z", "1")
	put(t, s, "acme/x/w", "2")
	require.NoError(t, s.Delete(t.Context(), "acme/x/y/z"))
	require.NoError(t, s.Delete(t.Context(), "acme/x/y/z"))
	require.NoError(t, s.Delete(t.Context(), "acme/x"))
	require.Equal(t, []string{"acme/x/w"}, listed(t, s, ""))
	put(t, s, "acme/x/y", "what was a directory can become an object")
	require.Equal(t, []string{"acme/x/w", "acme/x/y"}, listed(t, s, "acme/"))
}

// unconditional reports whether a store has no conditional delete. Then it must not
// have deleted anything.
func unconditional(t *testing.T, s blob.Store) bool {
	t.Helper()
	put(t, s, "acme/claims/test", "x")
	if err := s.DeleteIf(t.Context(), "acme/claims/test", Sum("x")); !errors.Is(err, errors.ErrUnsupported) {
		require.NoError(t, err)
		return false
	}
	require.Equal(t, "x", get(t, s, "acme/claims/test"))
	return true
}

func removeIf(t *testing.T, s blob.Store) {
	if unconditional(t, s) {
		return
	}
	put(t, s, "acme/claims/a", "mine")
	require.ErrorIs(t, s.DeleteIf(t.Context(), "acme/claims/a", Sum("other")), object.ErrChanged)
	require.Equal(t, "mine", get(t, s, "acme/claims/a"))
	require.NoError(t, s.DeleteIf(t.Context(), "acme/claims/a", Sum("mine")))
	require.NoError(t, s.DeleteIf(t.Context(), "acme/claims/a", Sum("mine")), "it is gone")
	require.NoError(t, s.DeleteIf(t.Context(), "none/a", Sum("mine")))
	require.Empty(t, listed(t, s, ""))
}

// removeIfRace has one process release a claim while another takes it over: one of them
// wins, and a claim that was taken over is still there.
func removeIfRace(t *testing.T, s blob.Store) {
	if unconditional(t, s) {
		return
	}
	for round := range 20 {
		key := fmt.Sprintf("acme/claims/%d", round)
		put(t, s, key, "mine")
		var errs [2]error
		together(2, func(i int) {
			if i == 0 {
				errs[0] = s.DeleteIf(t.Context(), key, Sum("mine"))
			} else {
				_, errs[1] = s.Replace(t.Context(), key, Sum("mine"), strings.NewReader("theirs"))
			}
		})
		if errs[1] == nil {
			require.Equal(t, "theirs", get(t, s, key))
			require.ErrorIs(t, errs[0], object.ErrChanged)
			continue
		}
		require.True(t, errors.Is(errs[1], object.ErrNotFound) || errors.Is(errs[1], object.ErrChanged), "%v", errs[1])
		require.NoError(t, errs[0])
		require.Empty(t, listed(t, s, key))
	}
}

func deleteAgainstPut(t *testing.T, s blob.Store) {
	together(8, func(i int) {
		for j := range 40 {
			key := fmt.Sprintf("acme/d/%d/%d", j%3, i)
			if _, err := s.Put(t.Context(), key, strings.NewReader("x")); err != nil {
				t.Error(err)
			}
			if err := s.Delete(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
	})
	require.Empty(t, listed(t, s, ""))
}

func keys(t *testing.T, s blob.Store) {
	long := strings.Repeat("a", 255)
	put(t, s, "acme/"+long, "x")
	put(t, s, "acme/ü -\n'\"*?.json", "x")
	require.Len(t, listed(t, s, "acme/"), 2)
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "a/../b", "./a", "a/./b", "a\x00b", `a\b`,
		".tmp", ".tmp/x", "a/.tmpfile", "a/" + long + "a", "\xff", strings.Repeat("abc/", 256) + "x",
	} {
		_, err := s.Put(t.Context(), key, strings.NewReader("x"))
		refused(t, err)
		_, err = s.Create(t.Context(), key, strings.NewReader("x"))
		refused(t, err)
		_, err = s.Replace(t.Context(), key, Sum("x"), strings.NewReader("x"))
		refused(t, err)
		_, _, err = s.Get(t.Context(), key)
		refused(t, err)
		_, err = s.Stat(t.Context(), key)
		refused(t, err)
		refused(t, s.Delete(t.Context(), key))
		refused(t, s.DeleteIf(t.Context(), key, Sum("x")))
	}
}

func failingContent(t *testing.T, s blob.Store) {
	cut := errors.New("cut")
	content := func() io.Reader { return io.MultiReader(strings.NewReader("half"), failing{cut}) }
	put(t, s, "acme/old", "old")
	_, err := s.Put(t.Context(), "acme/old", content())
	require.ErrorIs(t, err, cut)
	_, err = s.Replace(t.Context(), "acme/old", Sum("old"), content())
	require.ErrorIs(t, err, cut)
	_, err = s.Create(t.Context(), "acme/new", content())
	require.ErrorIs(t, err, cut)
	require.Equal(t, "old", get(t, s, "acme/old"))
	require.Equal(t, []string{"acme/old"}, listed(t, s, ""))
}

func cancel(t *testing.T, s blob.Store) {
	put(t, s, "acme/a", "old")
	ctx := cancelled(t)
	_, err := s.Put(ctx, "acme/a", strings.NewReader("new"))
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Create(ctx, "acme/b", strings.NewReader("new"))
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = s.Get(ctx, "acme/a")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Delete(ctx, "acme/a"), context.Canceled)
	require.ErrorIs(t, s.DeleteIf(ctx, "acme/a", Sum("old")), context.Canceled)
	require.ErrorIs(t, s.List(ctx, "", func(object.Info) error { return nil }), context.Canceled)

	// In the middle of a stream that would never end.
	ctx, stop := context.WithCancel(t.Context())
	_, err = s.Put(ctx, "acme/a", stopping{stop})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "old", get(t, s, "acme/a"))

	ctx, stop = context.WithCancel(t.Context())
	r, _, err := s.Get(ctx, "acme/a")
	require.NoError(t, err)
	stop()
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, r.Close())
	require.Equal(t, []string{"acme/a"}, listed(t, s, ""))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type stopping struct{ stop context.CancelFunc }

func (s stopping) Read(p []byte) (int, error) {
	s.stop()
	return len(p), nil
}
