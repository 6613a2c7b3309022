package source_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/tenant"
)

func anyLocal(t *testing.T) *source.Sources {
	t.Helper()
	s, err := source.New(source.Config{AnyLocal: true})
	require.NoError(t, err)
	return s
}

func write(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte("of "+name), 0o644))
	}
}

// list returns the result of a listing as names relative to dir.
func list(t *testing.T, s *source.Sources, dir, src string, recursive bool) (names []string, skipped int) {
	t.Helper()
	names = []string{}
	skipped, err := s.List(t.Context(), tenant.Default, src, recursive, func(uri string) error {
		require.True(t, strings.HasPrefix(uri, "file:///"), uri)
		require.True(t, utf8.ValidString(uri))
		f, _, err := s.Open(t.Context(), tenant.Default, uri)
		if err == nil {
			require.NoError(t, f.Close())
			rel, err := filepath.Rel(dir, f.Name())
			require.NoError(t, err)
			names = append(names, rel)
			return nil
		}
		require.Equal(t, fault.Input, fault.ClassOf(err))
		names = append(names, "!"+filepath.Base(uri))
		return nil
	})
	require.NoError(t, err)
	return names, skipped
}

func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	require.Equal(t, fault.Input, fault.ClassOf(err), err)
	for _, w := range words {
		require.ErrorContains(t, err, w)
	}
}

const oddName = "-rf \"x\"\n'%41?#;&<b>\xff\u202e.mp4"

func TestListDirectory(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), anyLocal(t)
	write(t, dir, "b.mp4", "a.MOV", "z.m3u8", "notes.txt", ".hidden.mp4", "noext", "a-b.mkv", "a/1.webm", "a/2/3.avi",
		"a/readme", ".git/x.mp4", "elsewhere/y.mp4", oddName, "  space.mp4")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dir.mp4"), 0o755))
	require.NoError(t, os.Symlink("b.mp4", filepath.Join(dir, "link.mp4")))
	require.NoError(t, os.Symlink("none", filepath.Join(dir, "dangling.mp4")))
	require.NoError(t, os.Symlink("elsewhere", filepath.Join(dir, "linked")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo.mp4"), 0o600))

	flat, skipped := list(t, s, dir, dir, false)
	require.Equal(t, []string{
		"  space.mp4", oddName, "a-b.mkv", "a.MOV", "b.mp4", "!dangling.mp4", "!dir.mp4", "!fifo.mp4", "link.mp4", "z.m3u8",
	}, flat)
	require.Equal(t, 4, skipped) // notes.txt .hidden.mp4 noext linked

	deep, skipped := list(t, s, dir, "file://"+dir, true)
	require.Equal(t, []string{
		"  space.mp4", oddName, "a-b.mkv", "a.MOV", "a/1.webm", "a/2/3.avi", "b.mp4", "!dangling.mp4", "!dir.mp4",
		"elsewhere/y.mp4", "!fifo.mp4", "link.mp4", "z.m3u8",
	}, deep)
	require.Equal(t, 5, skipped)
}

func TestListOne(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), anyLocal(t)
	write(t, dir, oddName, "x.gif")
	names, skipped := list(t, s, dir, filepath.Join(dir, oddName), false)
	require.Equal(t, []string{oddName}, names)
	require.Zero(t, skipped)

	stop := errors.New("stop")
	_, err := s.List(t.Context(), tenant.Default, dir, false, func(string) error { return stop })
	require.Equal(t, stop, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.List(ctx, tenant.Default, dir, false, func(string) error { return nil })
	require.ErrorIs(t, err, context.Canceled)

	for src, want := range map[string]string{
		"":                            "must be a path",
		filepath.Join(dir, "none"):    "no such file",
		filepath.Join(dir, "x.gif"):   "must be a directory",
		"gs://bucket/prefix":          "gs:// is not supported",
		"https://example.org/dir/":    "no listing",
		"https://example.org/x.gif":   "must be a prefix",
		"https://u:p@example.org/x":   "user name",
		"https://example.org/a/../b":  `".."`,
		"https://example.org/a%2fb":   "encoded slash",
		"s3://bucket/../x":            `".."`,
		"s3://bucket/?region=x":       "configuration",
		"s3://bucket/x#y":             "%23",
		"s3://Bucket/x":               "bucket",
		"s3://bucket/%zz":             "not a URI",
		"file://host/x":               "three slashes",
		"file:///x%zz":                "not a URI",
		"file:///a?b.mp4":             "%3F",
		"a\x00b":                      "must be a path",
		"file:///a%00b":               "must be a path",
		filepath.Join(dir, "x.gif/y"): "not a directory",
	} {
		_, err := s.List(t.Context(), tenant.Default, src, false, func(string) error { return nil })
		refused(t, err, want)
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), anyLocal(t)
	write(t, dir, "m/v.mp4", "w 1.mp4", oddName)
	text := "\uFEFF# a comment\r\n\n  v.mp4 \r\n../w 1.mp4\nfile://" + dir + "/w%201.mp4\nmissing.mp4\ns3://b/k.mp4\n" +
		filepath.Join(dir, "w 1.mp4") // the last line has no line break
	path := filepath.Join(dir, "m", "list.txt")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	var got []string
	_, err := s.List(t.Context(), tenant.Default, path, false, func(uri string) error {
		got = append(got, uri)
		return nil
	})
	require.NoError(t, err)
	w := "file://" + dir + "/w%201.mp4"
	require.Equal(t, []string{
		"file://" + dir + "/m/v.mp4", w, w, "file://" + dir + "/m/missing.mp4", "s3://b/k.mp4", w,
	}, got)

	for name, c := range map[string]struct{ text, want string }{
		"binary": {"ftyp\x00\x01", ":1"},
		"late":   {"a.mp4\n\x00\n", ":2"},
		"long":   {"a.mp4\n\n" + strings.Repeat("x", 17<<10), ":3"},
		"uri":    {"a.mp4\nfile:///%zz\n", ":2"},
		"host":   {"file://host/a.mp4\n", ":1"},
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o644))
		_, err := s.List(t.Context(), tenant.Default, path, false, func(string) error { return nil })
		refused(t, err, path+c.want)
	}

	huge := filepath.Join(dir, "huge.list")
	require.NoError(t, os.WriteFile(huge, nil, 0o644))
	require.NoError(t, os.Truncate(huge, 257<<20))
	_, err = s.List(t.Context(), tenant.Default, huge, false, func(string) error { return nil })
	refused(t, err, "256 MiB")
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), anyLocal(t)
	write(t, dir, oddName, "plain.mp4")
	f, name, err := s.Open(t.Context(), tenant.Default, filepath.Join(dir, oddName))
	require.NoError(t, err)
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, "of "+oddName, string(data))
	require.True(t, utf8.ValidString(name))
	require.Equal(t, -1, strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) && r != unicode.ReplacementChar }))
	require.Contains(t, name, `-rf "x"`)

	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, "s.mp4"))
	require.NoError(t, err)
	defer socket.Close()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo.mp4"), 0o600))
	require.NoError(t, os.Symlink("loop.mp4", filepath.Join(dir, "loop.mp4")))
	require.NoError(t, os.Symlink("no\nwhere", filepath.Join(dir, "dangling.mp4")))
	for name, want := range map[string]string{
		"s.mp4":                              "socket",
		"fifo.mp4":                           "FIFO",
		"loop.mp4":                           "circle",
		"dangling.mp4":                       "target of the link does not exist: no\uFFFDwhere",
		"none.mp4":                           "no such file",
		"":                                   "directory",
		strings.Repeat("long", 100) + ".mp4": "too long",
	} {
		_, _, err := s.Open(t.Context(), tenant.Default, filepath.Join(dir, name))
		refused(t, err, want, dir)
	}
	_, _, err = s.Open(t.Context(), tenant.Default, "/dev/null")
	refused(t, err, "device")

	small, err := source.New(source.Config{AnyLocal: true, MaxBytes: 3})
	require.NoError(t, err)
	_, _, err = small.Open(t.Context(), tenant.Default, filepath.Join(dir, "plain.mp4"))
	refused(t, err, "larger", "plain.mp4")
}

func TestRoots(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "acme/a.mp4", "acme/in/b.mp4", "other/secret.mp4", "second/c.mp4")
	acme := filepath.Join(dir, "acme")
	require.NoError(t, os.Symlink("../other/secret.mp4", filepath.Join(acme, "out.mp4")))
	require.NoError(t, os.Symlink(dir, filepath.Join(acme, "up")))
	require.NoError(t, os.Symlink(filepath.Join(acme, "a.mp4"), filepath.Join(acme, "absolute.mp4")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "second", "c.mp4"), filepath.Join(acme, "sideways.mp4")))
	require.NoError(t, os.Symlink(acme, filepath.Join(dir, "alias")))
	s, err := source.New(source.Config{
		AnyLocal: true, // roots take precedence
		Roots: map[tenant.ID][]string{
			"acme": {filepath.Join(dir, "alias"), filepath.Join(dir, "second")},
			"gone": {filepath.Join(dir, "unmounted")},
		},
	})
	require.NoError(t, err)
	for _, path := range []string{"acme/a.mp4", "alias/a.mp4", "acme/in/b.mp4", "acme/absolute.mp4", "acme/sideways.mp4", "second/c.mp4"} {
		f, _, err := s.Open(t.Context(), "acme", filepath.Join(dir, path))
		require.NoError(t, err, path)
		require.NoError(t, f.Close())
	}
	for _, path := range []string{"other/secret.mp4", "acme/out.mp4", "acme/up/other/secret.mp4", "acme/../other/secret.mp4", "other/none.mp4"} {
		_, _, err := s.Open(t.Context(), "acme", dir+"/"+path)
		refused(t, err, "outside", "acme", "cogflow.sources")
		_, _, err = s.Open(t.Context(), "stranger", dir+"/"+path)
		refused(t, err, "stranger")
	}
	_, _, err = s.Open(t.Context(), "acme", "/etc/passwd")
	refused(t, err, "outside")
	_, _, err = s.Open(t.Context(), "gone", filepath.Join(dir, "unmounted", "x.mp4"))
	refused(t, err, "no existing directory")
	_, err = s.List(t.Context(), "acme", dir, true, func(string) error { return nil })
	refused(t, err, "outside")

	var uris []string
	_, err = s.List(t.Context(), "acme", acme, true, func(uri string) error {
		uris = append(uris, filepath.Base(uri))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"a.mp4", "absolute.mp4", "b.mp4", "out.mp4", "sideways.mp4"}, uris)
}

func TestNoSources(t *testing.T) {
	t.Parallel()
	s, err := source.New(source.Config{})
	require.NoError(t, err)
	_, _, err = s.Open(t.Context(), tenant.Default, "/etc/passwd")
	refused(t, err, "cogflow.sources")
	_, err = source.New(source.Config{Roots: map[tenant.ID][]string{"a": {"relative"}}})
	refused(t, err, "absolute")
	_, err = source.New(source.Config{Roots: map[tenant.ID][]string{"a/b": {"/x"}}})
	refused(t, err, "tenant")
}
