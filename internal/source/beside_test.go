package source_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// neighbours lists the names of what is beside a video, and opens each of them.
func neighbours(t *testing.T, s *source.Sources, uri string) (names []string) {
	t.Helper()
	_, files, err := s.Beside(t.Context(), tenant.Default, uri)
	require.NoError(t, err)
	for _, n := range files {
		f, _, err := s.Open(t.Context(), tenant.Default, n.URI)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

func TestBesideLocal(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), anyLocal(t)
	write(t, dir, "talk.mp4", "talk.srt", "talk.en.VTT", "talk.en.mp4", "talks.srt", "talk.jpg", "other.srt", oddName, oddName[:len(oddName)-4]+".srt", "sub/talk.de.srt")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "talk.fr.srt"), 0o755))
	for _, uri := range []string{filepath.Join(dir, "talk.mp4"), "file://" + dir + "/talk.mp4"} {
		require.Equal(t, []string{"talk.en.VTT", "talk.en.mp4", "talk.mp4", "talk.srt"}, neighbours(t, s, uri))
	}
	name, files, err := s.Beside(t.Context(), tenant.Default, filepath.Join(dir, oddName))
	require.NoError(t, err)
	require.Equal(t, oddName, name)
	require.Len(t, files, 2)
	_, skipped := list(t, s, dir, dir, false)
	require.Equal(t, 1, skipped, "subtitles are not skipped")

	for _, uri := range []string{"https://example.org/talk.mp4", filepath.Join(dir, "none", "talk.mp4"), "gs://b/talk.mp4"} {
		_, files, err = s.Beside(t.Context(), tenant.Default, uri)
		require.NoError(t, err, uri)
		require.Empty(t, files, uri)
	}
}

// TestBesideOfTenant: a link beside a video leads no tenant out of its sources.
func TestBesideOfTenant(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "acme/talk.mp4", "other/secret.srt")
	require.NoError(t, os.Symlink("../other/secret.srt", filepath.Join(dir, "acme", "talk.srt")))
	s, err := source.New(source.Config{Roots: map[tenant.ID][]string{"acme": {filepath.Join(dir, "acme")}}})
	require.NoError(t, err)
	_, files, err := s.Beside(t.Context(), "acme", filepath.Join(dir, "acme", "talk.mp4"))
	require.NoError(t, err)
	link := files[slices.IndexFunc(files, func(n video.Neighbour) bool { return n.Name == "talk.srt" })]
	_, _, err = s.Open(t.Context(), "acme", link.URI)
	refused(t, err, "outside")
	_, files, err = s.Beside(t.Context(), "acme", filepath.Join(dir, "other", "secret.mp4"))
	require.NoError(t, err)
	require.Empty(t, files)
}

func TestBesideS3(t *testing.T) {
	at := s3test.Serve(t)
	fill(t, at, map[string]string{
		"in/talk.mp4": "v", "in/talk.srt": "s", "in/talk.en.vtt": "w", "in/talks.srt": "x", "in/talk.d/talk.srt": "y", "in/ü 1.mkv": "a", "in/ü 1.srt": "b", "top.mp4": "c", "top.srt": "d",
	})
	bucket, how := query(t, at)
	base := "s3://" + bucket + "/"
	s, err := source.New(source.Config{AnyLocal: true, S3Query: how, Scratch: t.TempDir()})
	require.NoError(t, err)
	require.Equal(t, []string{"talk.en.vtt", "talk.mp4", "talk.srt"}, neighbours(t, s, base+"in/talk.mp4"))
	require.Equal(t, []string{"ü 1.mkv", "ü 1.srt"}, neighbours(t, s, base+"in/%C3%BC%201.mkv"))
	require.Equal(t, []string{"top.mp4", "top.srt"}, neighbours(t, s, base+"top.mp4"))
	_, files, err := s.Beside(t.Context(), tenant.Default, base+"top.mp4")
	require.NoError(t, err)
	require.EqualValues(t, 1, files[0].Bytes)
	got, skipped := uris(t, s, base+"in/", false)
	require.Len(t, got, 2)
	require.Zero(t, skipped)
}

// TestBesideForbidden: credentials that may read objects but not list them suffice, as before.
func TestBesideForbidden(t *testing.T) {
	at := s3test.Serve(t)
	fill(t, at, map[string]string{"talk.mp4": "v", "talk.srt": "s"})
	proxy, at := s3test.NewProxy(t, at)
	bucket, how := query(t, at)
	s, err := source.New(source.Config{AnyLocal: true, S3Query: how, Scratch: t.TempDir()})
	require.NoError(t, err)
	proxy.Set(func(w http.ResponseWriter, r *http.Request, _ func(func(*http.Response))) bool {
		lists := r.URL.Query().Has("list-type")
		if lists {
			w.WriteHeader(http.StatusForbidden)
		}
		return lists
	})
	require.Empty(t, neighbours(t, s, "s3://"+bucket+"/talk.mp4"))
}
