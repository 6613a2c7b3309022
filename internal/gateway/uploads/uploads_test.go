package uploads_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/uploads"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// place is gateways over one store.
type place struct {
	t     *testing.T
	store uploads.Store
	now   time.Time
	muxes []*api.Mux // requests go round
	turn  int
}

func open(t *testing.T, store uploads.Store) *place {
	t.Helper()
	p := &place{t: t, store: store, now: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)}
	for range 2 {
		a := &uploads.API{
			Store: func(context.Context) (uploads.Store, error) { return store, nil }, Most: 1 << 20, Open: 2, For: time.Hour,
			Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return p.now },
		}
		p.muxes = append(p.muxes, api.NewMux(a.Routes()))
	}
	return p
}

func files(t *testing.T) *place {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	return open(t, store)
}

// ask makes a request of a tenant at the next gateway.
func (p *place) ask(t tenant.ID, method, path string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), method, path, body)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.turn++
	route, err := p.muxes[p.turn%len(p.muxes)].Find(w, r)
	if err == nil {
		err = route.Handle(w, r, api.Caller{Tenant: t})
	}
	if err != nil {
		api.Write(w, api.Of(err))
	}
	return w
}

func (p *place) begin(t tenant.ID, name, content string) uploads.Upload {
	p.t.Helper()
	declaration, err := json.Marshal(uploads.Declaration{Name: name, Size: int64(len(content)), SHA256: hash(content)})
	require.NoError(p.t, err)
	w := p.ask(t, http.MethodPost, "/uploads", strings.NewReader(string(declaration)))
	require.Equal(p.t, http.StatusCreated, w.Code, w.Body)
	return state(p.t, w)
}

func state(t *testing.T, w *httptest.ResponseRecorder) (u uploads.Upload) {
	t.Helper()
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &u), w.Body)
	return u
}

func hash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// keys are those of all objects of the tenant acme.
func (p *place) keys() (keys []string) {
	p.t.Helper()
	require.NoError(p.t, p.store.List(p.t.Context(), "acme/", func(i object.Info) error { keys = append(keys, i.Key); return nil }))
	return keys
}

// TestPieces stores a file in pieces at two gateways, and goes on after a broken connection.
func TestPieces(t *testing.T) {
	t.Parallel()
	p := files(t)
	content := strings.Repeat("0123456789", 1000)
	u := p.begin("acme", "a film.mp4", content)
	path := "/uploads/" + u.ID
	w := p.ask("acme", http.MethodPatch, path, strings.NewReader(content[:4000]), "Upload-Offset", "0")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, "4000", w.Header().Get("Upload-Offset"))
	for _, wrong := range []string{"0", "4001", "-1", "x", ""} {
		w = p.ask("acme", http.MethodPatch, path, strings.NewReader("abc"), "Upload-Offset", wrong)
		require.Contains(t, []int{http.StatusConflict, http.StatusBadRequest}, w.Code, wrong)
	}
	// What arrives before the connection breaks is kept.
	cut := io.MultiReader(strings.NewReader(content[4000:5500]), failing{})
	w = p.ask("acme", http.MethodPatch, path, cut, "Upload-Offset", "4000")
	require.Equal(t, http.StatusInternalServerError, w.Code)
	w = p.ask("acme", http.MethodHead, path, nil)
	require.Equal(t, "5500", w.Header().Get("Upload-Offset"))
	require.Equal(t, "10000", w.Header().Get("Upload-Length"))
	require.Equal(t, http.StatusNotFound, p.ask("other", http.MethodHead, path, nil).Code)
	w = p.ask("acme", http.MethodPut, path, strings.NewReader(content[5500:]), "Upload-Offset", "5500")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	done := state(t, w)
	require.True(t, done.Complete)
	require.Equal(t, "upload://"+hash(content)+"/a%20film.mp4", done.URI)
	require.Equal(t, []string{training.UploadKey("acme", hash(content))}, p.keys())
	r, _, err := p.store.Get(t.Context(), training.UploadKey("acme", hash(content)))
	require.NoError(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, content, string(data))
	// A file that is stored needs no bytes, but another tenant's does.
	require.True(t, p.begin("acme", "again.mp4", content).Complete)
	require.False(t, p.begin("other", "again.mp4", content).Complete)
	require.True(t, p.begin("acme", "empty", "").Complete)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestChecksum(t *testing.T) {
	t.Parallel()
	p := files(t)
	u := p.begin("acme", "x.jsonl", "right")
	w := p.ask("acme", http.MethodPut, "/uploads/"+u.ID, strings.NewReader("wrong"))
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Contains(t, w.Body.String(), uploads.CodeChecksum)
	require.Empty(t, p.keys(), "nothing is kept")
	require.Equal(t, http.StatusNotFound, p.ask("acme", http.MethodGet, "/uploads/"+u.ID, nil).Code)
	u = p.begin("acme", "x.jsonl", "right")
	require.Equal(t, http.StatusRequestEntityTooLarge, p.ask("acme", http.MethodPut, "/uploads/"+u.ID, strings.NewReader("right and more")).Code)
	w = p.ask("acme", http.MethodPatch, "/uploads/"+u.ID, strings.NewReader(""), "Upload-Offset", "5")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.True(t, state(t, w).Complete, "an empty piece completes what a broken request left")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	p := files(t)
	first := p.begin("acme", "1", "1")
	p.begin("acme", "2", "2")
	declare := func(body string) *httptest.ResponseRecorder {
		return p.ask("acme", http.MethodPost, "/uploads", strings.NewReader(body))
	}
	sum := hash("3")
	w := declare(`{"name":"3","size":1,"sha256":"` + sum + `"}`)
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Contains(t, w.Body.String(), uploads.CodeTooMany)
	p.begin("other", "3", "3") // counts for itself
	require.Equal(t, http.StatusOK, p.ask("acme", http.MethodDelete, "/uploads/"+first.ID, nil).Code)
	third := p.begin("acme", "3", "3")
	p.now = p.now.Add(2 * time.Hour)
	require.Equal(t, http.StatusNotFound, p.ask("acme", http.MethodGet, "/uploads/"+third.ID, nil).Code)
	p.begin("acme", "4", "4")
	require.Len(t, p.keys(), 1, "expired uploads are removed")
	for body, want := range map[string]int{
		`{"name":"../../etc/passwd","size":1,"sha256":"` + sum + `"}`: 400, `{"name":"..","size":1,"sha256":"` + sum + `"}`: 400,
		`{"name":"\u202egnp.mp4","size":1,"sha256":"` + sum + `"}`: 400, `{"name":"a\u2028b","size":1,"sha256":"` + sum + `"}`: 400,
		`{"name":"a\u0000b","size":1,"sha256":"` + sum + `"}`: 400, `{"name":"a\\b","size":1,"sha256":"` + sum + `"}`: 400,
		`{"name":"` + strings.Repeat("n", 256) + `","size":1,"sha256":"` + sum + `"}`: 400, `{"name":"","size":1,"sha256":"` + sum + `"}`: 400,
		`{"name":"n","size":-1,"sha256":"` + sum + `"}`: 400, `{"name":"n","size":1,"sha256":"../x"}`: 400,
		`{"name":"n","size":1,"Size":1,"sha256":"` + sum + `"}`: 400, `{"name":"n","size":1,"sha256":"` + sum + `","tenant":"other"}`: 400,
		`{"name":"n","size":9999999999,"sha256":"` + sum + `"}`: 413, `{"name":"n","size":1e30,"sha256":"` + sum + `"}`: 400,
	} {
		require.Equal(t, want, declare(body).Code, body)
	}
	for _, id := range []string{"..", "%2e%2e%2fopen", strings.Repeat("a", 26), strings.Repeat("a", 5000), "%00", "..%2F..%2Fother%2Fuploads%2Fopen%2Fx"} {
		require.Equal(t, http.StatusNotFound, p.ask("acme", http.MethodGet, "/uploads/"+id, nil).Code, id)
	}
}

// TestS3 stores a file in pieces in a bucket. It sets credentials for the process, so it is not
// parallel.
func TestS3(t *testing.T) {
	at, env := s3test.Start(t)
	for _, one := range env {
		name, value, _ := strings.Cut(one, "=")
		t.Setenv(name, value)
	}
	store, err := blob.Open(t.Context(), at)
	require.NoError(t, err)
	p := open(t, store)
	u := p.begin("acme", "x.mp4", "piece by piece")
	path := "/uploads/" + u.ID
	require.Equal(t, http.StatusOK, p.ask("acme", http.MethodPatch, path, strings.NewReader("piece"), "Upload-Offset", "0").Code)
	// Two gateways get the same piece.
	require.Equal(t, http.StatusConflict, p.ask("acme", http.MethodPatch, path, strings.NewReader("piece"), "Upload-Offset", "0").Code)
	w := p.ask("acme", http.MethodPatch, path, strings.NewReader(" by piece"), "Upload-Offset", "5")
	require.True(t, state(t, w).Complete, w.Body)
	require.Equal(t, []string{training.UploadKey("acme", hash("piece by piece"))}, p.keys())
}

// TestKeep stores files whose hash is known only at their end.
func TestKeep(t *testing.T) {
	t.Parallel()
	p := files(t)
	a := &uploads.API{Store: func(context.Context) (uploads.Store, error) { return p.store, nil }, Most: 100}
	for range 2 {
		sha, uri, err := a.Keep(t.Context(), api.Caller{Tenant: "acme"}, "a b.mp4", strings.NewReader("content"))
		require.NoError(t, err)
		require.Equal(t, hash("content"), sha)
		require.Equal(t, "upload://"+sha+"/a%20b.mp4", uri)
	}
	for _, content := range []io.Reader{strings.NewReader(""), strings.NewReader(strings.Repeat("x", 101)), io.MultiReader(strings.NewReader("x"), failing{})} {
		_, _, err := a.Keep(t.Context(), api.Caller{Tenant: "acme"}, "x", content)
		require.Error(t, err)
	}
	require.Equal(t, []string{training.UploadKey("acme", hash("content"))}, p.keys())
}

// TestTus begins an upload as clients of tus do.
func TestTus(t *testing.T) {
	t.Parallel()
	p := files(t)
	w := p.ask("acme", http.MethodPost, "/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Length", "3",
		"Upload-Metadata", "filename YS5tcDQ=,sha256 "+"YmE3ODE2YmY4ZjAxY2ZlYTQxNDE0MGRlNWRhZTIyMjNiMDAzNjFhMzk2MTc3YTljYjQxMGZmNjFmMjAwMTVhZA==")
	require.Equal(t, http.StatusCreated, w.Code, w.Body)
	w = p.ask("acme", http.MethodPatch, w.Header().Get("Location"), strings.NewReader("abc"), "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")
	require.Equal(t, "3", w.Header().Get("Upload-Offset"), w.Body)
	require.True(t, state(t, w).Complete)
	require.Equal(t, http.StatusBadRequest, p.ask("acme", http.MethodPost, "/uploads", nil, "Upload-Length", "3", "Upload-Metadata", "filename *").Code)
}
