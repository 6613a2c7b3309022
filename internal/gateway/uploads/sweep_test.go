package uploads_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/uploads"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
)

// TestSweep removes what abandoned uploads of all tenants have left, whoever comes next.
func TestSweep(t *testing.T) {
	t.Parallel()
	p := files(t)
	p.now = time.Now() // of the store, too
	a := &uploads.API{
		Store: func(context.Context) (uploads.Store, error) { return p.store, nil }, For: time.Hour, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return p.now },
	}
	for _, who := range []tenant.ID{"acme", "org:gone"} {
		u := p.begin(who, "file", "content")
		w := p.ask(who, http.MethodPatch, "/uploads/"+u.ID, strings.NewReader("con"), "Upload-Offset", "0")
		require.Equal(t, http.StatusOK, w.Code, w.Body)
	}
	whole := p.begin("acme", "whole", "whole")
	require.Equal(t, http.StatusOK, p.ask("acme", http.MethodPut, "/uploads/"+whole.ID, strings.NewReader("whole")).Code)
	// A gateway that stores a part while another one removes its upload leaves the part.
	orphan := "acme/uploads/parts/" + strings.Repeat("a", 26) + "/00000000000000000000"
	_, err := p.store.Create(t.Context(), orphan, strings.NewReader("part"))
	require.NoError(t, err)
	_, err = p.store.Create(t.Context(), "acme/videos/v/source.json", strings.NewReader("{}"))
	require.NoError(t, err)
	before := p.keys()
	removed, err := a.Sweep(t.Context())
	require.NoError(t, err)
	require.Zero(t, removed)
	require.Equal(t, before, p.keys(), "nothing has expired")

	p.now = p.now.Add(2 * time.Hour)
	removed, err = a.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, removed)
	require.Len(t, p.keys(), 2, "the file and the video stay")
	require.NoError(t, p.store.List(t.Context(), "org:gone/", func(i object.Info) error { t.Error(i.Key); return nil }))
	removed, err = a.Sweep(t.Context())
	require.NoError(t, err)
	require.Zero(t, removed)
}

// narrow is a store that has little space, or that says that it has.
type narrow struct {
	uploads.Store
	free int64
	full bool
}

func (n *narrow) Free() (int64, error) { return n.free, nil }

func (n *narrow) Create(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	if n.full && strings.Contains(key, "/parts/") {
		_, _ = io.Copy(io.Discard, r)
		return object.Info{}, fault.Disk("create object", key, unix.ENOSPC)
	}
	return n.Store.Create(ctx, key, r)
}

func (n *narrow) PutContent(ctx context.Context, key string, c object.Content) (object.Info, error) {
	if n.full {
		return object.Info{}, fault.Disk("put object", key, unix.ENOSPC)
	}
	return n.Store.PutContent(ctx, key, c)
}

// TestFull: a file for which there is no space is refused, before its first byte if that is known. An
// upload that meets a full disk goes on when there is space again.
func TestFull(t *testing.T) {
	t.Parallel()
	n := &narrow{Store: files(t).store, free: 19}
	p := open(t, n)
	refused := func(code int, body string) {
		t.Helper()
		require.Equal(t, http.StatusInsufficientStorage, code, body)
		require.Contains(t, body, uploads.CodeFull)
	}
	w := p.ask("acme", http.MethodPost, "/uploads", strings.NewReader(`{"name":"a","size":10,"sha256":"`+hash("0123456789")+`"}`))
	refused(w.Code, w.Body.String())
	require.Empty(t, p.keys())
	n.free = 20
	u := p.begin("acme", "a", "0123456789")
	path := "/uploads/" + u.ID
	require.Equal(t, http.StatusOK, p.ask("acme", http.MethodPatch, path, strings.NewReader("0123"), "Upload-Offset", "0").Code)
	n.full = true
	w = p.ask("acme", http.MethodPatch, path, strings.NewReader("456789"), "Upload-Offset", "4")
	refused(w.Code, w.Body.String())
	require.Equal(t, "60", w.Header().Get("Retry-After"))
	require.Equal(t, "4", p.ask("acme", http.MethodHead, path, nil).Header().Get("Upload-Offset"))
	n.full = false
	w = p.ask("acme", http.MethodPatch, path, strings.NewReader("456789"), "Upload-Offset", "4")
	require.True(t, state(t, w).Complete, w.Body)

	a := &uploads.API{Store: func(context.Context) (uploads.Store, error) { return n, nil }, Most: 100, For: time.Hour}
	n.full = true
	before := p.keys()
	_, _, err := a.Keep(t.Context(), api.Caller{Tenant: "acme"}, "x.mp4", strings.NewReader("content"))
	require.Equal(t, http.StatusInsufficientStorage, api.Of(err).Status)
	require.Equal(t, before, p.keys(), "nothing is kept")
}
