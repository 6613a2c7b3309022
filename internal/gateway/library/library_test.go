package library_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/library"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// workers answer every question with one result.
type workers struct {
	asked  []api.Question
	result any
	err    error
}

func (w *workers) Ask(_ context.Context, q api.Question, result any) error {
	w.asked = append(w.asked, q)
	if w.err != nil {
		return w.err
	}
	data, err := json.Marshal(w.result)
	return errors.Join(err, json.Unmarshal(data, result))
}

// bench is a library with one video of the tenant acme, of two frames.
type bench struct {
	workers *workers
	video   video.ID
	store   blob.Store
	file    string
	mux     *api.Mux
}

const (
	content = "0123456789abcdef"
	picture = "\xff\xd8\xff picture"
	hostile = `<img src=x onerror=alert(1)>.mp4`
)

func newBench(t *testing.T, format string) *bench {
	t.Helper()
	root := t.TempDir()
	b := &bench{workers: &workers{}, video: video.ID(strings.Repeat("ab", 32)), file: filepath.Join(root, hostile)}
	require.NoError(t, os.WriteFile(b.file, []byte(content), 0o600))
	store, err := blob.Open(t.Context(), "file://"+filepath.Join(t.TempDir(), "store"))
	require.NoError(t, err)
	b.store = store
	sources, err := source.New(source.Config{Roots: map[tenant.ID][]string{"acme": {root}}, Scratch: t.TempDir()})
	require.NoError(t, err)
	version, _, err := sources.Version(t.Context(), "acme", b.file)
	require.NoError(t, err)

	const acme = tenant.ID("acme")
	profile := video.Profile{Name: "p", Describe: video.Stage{Model: "m"}}
	frames := []video.Frame{{PTSMS: 0, EndMS: 1000, SHA256: "a"}, {PTSMS: 1000, StartMS: 1000, EndMS: 2000, SHA256: "b"}}
	prefix := video.FramesPrefix(acme, b.video, profile.ExtractFingerprint(b.video))
	about := video.Source{Video: b.video, URI: b.file, Name: hostile, Bytes: int64(len(content)), Media: video.Media{Format: format, VideoCodec: "h264"}}
	for key, value := range map[string]any{
		video.SourceKey(acme, b.video):                                about,
		video.SeenKey(acme, b.file):                                   video.Seen{FileVersion: version, Video: b.video},
		video.RecipeKey(acme, "r"):                                    profile,
		video.ChunkKey(prefix, 0):                                     video.Chunk{Frames: frames},
		video.CaptionKey(acme, profile.CaptionFingerprint(frames[0])): video.Caption{Text: "<b>a dog</b>"},
		video.PublicationKey(acme, b.video, "p"): video.Publication{
			Generation: video.Generation{DurationMS: 2000, Documents: 2}, Source: about, Recipe: "r",
			Extraction: video.Extraction{Frames: 2, Chunks: 1, Thumbnail: prefix + "0.jpg"},
		},
	} {
		require.NoError(t, activities.WriteJSON(t.Context(), store, key, value))
	}
	_, err = store.Put(t.Context(), video.PictureKey(prefix, 0), strings.NewReader(picture))
	require.NoError(t, err)
	b.mux = api.NewMux((&library.API{
		Workers: b.workers,
		Store:   func(context.Context) (activities.Store, error) { return store, nil },
		Source: func(ctx context.Context, t tenant.ID, uri string) (library.Bytes, error) {
			s, err := sources.Stream(ctx, t, uri)
			if err != nil {
				return library.Bytes{}, err
			}
			return library.Bytes{ReadSeekCloser: s, Version: s.Version}, nil
		},
	}).Routes())
	return b
}

// get asks as a tenant. Headers are names and values.
func (b *bench) get(t *testing.T, who tenant.ID, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return b.do(who, r)
}

func (b *bench) do(who tenant.ID, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	route, err := b.mux.Find(w, r)
	if err == nil {
		err = route.Handle(w, r, api.Caller{Tenant: who, MaxPixels: 10000})
	}
	if err != nil {
		api.Write(w, api.Of(err))
	}
	return w
}

// TestContent: ranges of the bytes are answered as players ask for them, with a type that no browser
// shows as a page, whatever the name of the file.
func TestContent(t *testing.T) {
	t.Parallel()
	for format, media := range map[string]string{"mov,mp4,m4a": "video/mp4", "html": "application/octet-stream", "svg_pipe": "application/octet-stream", "avi": "video/x-msvideo"} {
		b := newBench(t, format)
		path := "/videos/" + string(b.video) + "/content"
		r := b.get(t, "acme", path)
		require.Equal(t, media, r.Header().Get("Content-Type"))
		require.Equal(t, content, r.Body.String())
		r = b.get(t, "acme", path, "Range", "bytes=4-7")
		require.Equal(t, http.StatusPartialContent, r.Code)
		require.Equal(t, "bytes 4-7/16", r.Header().Get("Content-Range"))
		require.Contains(t, r.Header().Get("Content-Security-Policy"), "sandbox")
		require.Equal(t, "4567", r.Body.String())
		r = b.get(t, "acme", path, "Range", "bytes=99-")
		require.Equal(t, http.StatusRequestedRangeNotSatisfiable, r.Code)
	}
}

// TestChanged: what is played is what was ingested.
func TestChanged(t *testing.T) {
	t.Parallel()
	b := newBench(t, "mov")
	require.NoError(t, os.WriteFile(b.file, []byte("another"), 0o600))
	r := b.get(t, "acme", "/videos/"+string(b.video)+"/content")
	require.Equal(t, http.StatusConflict, r.Code)
	require.Contains(t, r.Body.String(), "ingest it again")
}

// TestOtherTenant: nothing of a video is there for another tenant, and no path leads out.
func TestOtherTenant(t *testing.T) {
	t.Parallel()
	b := newBench(t, "mov")
	at := "/videos/" + string(b.video)
	for _, path := range []string{at, at + "/content", at + "/poster.jpg", at + "/frames/0.jpg"} {
		r := b.get(t, "acme", path)
		require.Equal(t, http.StatusOK, r.Code, path)
		r = b.get(t, "evil", path)
		require.Equal(t, http.StatusNotFound, r.Code, path)
		require.NotContains(t, r.Body.String(), "img")
	}
	for _, path := range []string{
		"/videos/..%2f..%2facme/content", "/videos/AB" + strings.Repeat("ab", 31), at + "/frames/..%2f0.jpg", at + "/frames/-1.jpg", at + "/frames/00.jpg", at + "/frames/0.svg",
		at + "/frames/0.jpg?profile=..%2fp", at + "?frames=501", at + "?Frames=1",
	} {
		r := b.get(t, "acme", path)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, r.Code, path)
	}
}

func TestVideo(t *testing.T) {
	t.Parallel()
	b := newBench(t, "mov,mp4,m4a")
	var v library.Video
	require.NoError(t, json.Unmarshal(b.get(t, "acme", "/videos/"+string(b.video)).Body.Bytes(), &v))
	require.Equal(t, hostile, v.Name)
	require.Equal(t, []string{"p"}, v.Profiles)
	require.Len(t, v.Sheet, 2)
	require.Equal(t, "<b>a dog</b>", v.Sheet[0].Caption)
	require.Contains(t, v.Sheet[1].Caption, "refused")
	require.NoError(t, json.Unmarshal(b.get(t, "acme", "/videos/"+string(b.video)+"?from_ms=1500").Body.Bytes(), &v))
	require.Len(t, v.Sheet, 1)

	r := b.get(t, "acme", "/videos/"+string(b.video)+"/frames/0.jpg")
	require.Equal(t, "image/jpeg", r.Header().Get("Content-Type"))
	require.Equal(t, picture, r.Body.String())
	r = b.get(t, "acme", "/videos/"+string(b.video)+"/frames/0.jpg", "If-None-Match", r.Header().Get("ETag"))
	require.Equal(t, http.StatusNotModified, r.Code)
}

// TestSearch: the query becomes the input of the search; the tenant is that of the caller.
func TestSearch(t *testing.T) {
	t.Parallel()
	b := newBench(t, "mov")
	b.workers.result = ingest.SearchResult{Hits: []video.Hit{{Video: "a", StartMS: 1}, {Video: "b"}, {Video: "a", StartMS: 2, Matched: []string{"caption"}}}}
	var found ingest.SearchGroups
	require.NoError(t, json.Unmarshal(b.get(t, "acme", "/search?q=red+car&limit=3&kind=frame&kind=speech&video=a.mp4&from_ms=5&rank=bm25").Body.Bytes(), &found))
	require.Len(t, found.Videos, 2)
	require.Len(t, found.Videos[0].Hits, 2)
	in := b.workers.asked[0].Input.(ingest.SearchInput)
	require.Equal(t, "acme", in.Tenant)
	require.Equal(t, "red car", in.Query)
	require.Equal(t, []video.Kind{video.FrameDocument, video.SpeechDocument}, in.Kinds)
	require.Equal(t, []string{"a.mp4"}, in.Videos)
	for _, query := range []string{"", "?q=", "?q=a&limit=0", "?q=a&limit=1001", "?q=a&Q=b", "?q=a&q=b", "?q=a&tenant=evil", "?q=a&kind=cat", "?q=a&rank=x", "?q=a&from_ms=9&to_ms=3", "?q=%zz"} {
		r := b.get(t, "acme", "/search"+query)
		require.Equal(t, http.StatusBadRequest, r.Code, query)
	}
	require.Len(t, b.workers.asked, 1)
	b.workers.result = ingest.ListVideosResult{}
	require.JSONEq(t, `{"videos":[]}`, b.get(t, "acme", "/videos?limit=3").Body.String())
	require.Equal(t, tenant.ID("acme"), b.workers.asked[1].Tenant)
}
