package adapters_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/gateway/adapters"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// served asks the routes as a tenant.
func served(t *testing.T, store blob.Store) func(as tenant.ID, path string) (int, string) {
	t.Helper()
	a := &adapters.API{Store: func(context.Context) (adapters.Store, error) { return store, nil }}
	mux := api.NewMux(a.Routes())
	return func(as tenant.ID, path string) (int, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		route, err := mux.Find(w, r)
		if err == nil {
			err = route.Handle(w, r, api.Caller{Tenant: as})
		}
		if err != nil {
			api.Write(w, api.Of(err))
		}
		return w.Code, w.Body.String()
	}
}

func TestAdapter(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	put := func(key, content string) (size int64, sum string) {
		info, err := store.Put(t.Context(), key, strings.NewReader(content))
		require.NoError(t, err)
		return info.Size, info.SHA256
	}
	prefix := training.AdapterPrefix("acme", "support", 2)
	m := training.Adapter{Name: "support", Version: 2, Role: "answers", Kind: training.KindAdapter}
	for _, name := range []string{"adapter_model.safetensors", "sub/a b.txt"} {
		size, sum := put(prefix+name, "content of "+name)
		m.Files = append(m.Files, training.CheckpointFile{Name: name, Size: size, SHA256: sum})
	}
	put(prefix+"unlisted", "secret")
	manifest, err := json.Marshal(m)
	require.NoError(t, err)
	put(prefix+training.ManifestName, string(manifest))
	get := served(t, store)

	status, body := get("acme", "/adapters/support/2")
	require.Equal(t, 200, status, body)
	var got adapters.Adapter
	require.NoError(t, json.Unmarshal([]byte(body), &got))
	require.Equal(t, "answers", got.Role)
	require.Len(t, got.Files, 2)
	for _, f := range got.Files {
		status, body = get("acme", f.Path)
		require.Equal(t, 200, status, f.Path)
		require.Equal(t, "content of "+f.Name, body)
	}
	for _, path := range []string{
		"/adapters/support/1", "/adapters/support/x", "/adapters/support/0", "/adapters/other/2", "/adapters/..%2f..%2fother/2",
		"/adapters/support/2/files/unlisted", "/adapters/support/2/files/manifest.json", "/adapters/support/2/files/sub%2f..%2funlisted",
	} {
		status, body = get("acme", path)
		require.Equal(t, 404, status, path)
		require.Contains(t, body, "adapter_not_found", path)
	}
	for _, path := range []string{"/adapters/support/2", got.Files[0].Path} {
		status, body = get("other", path)
		require.Equal(t, 404, status)
		require.Contains(t, body, "adapter_not_found")
	}
	// A file that the store has lost or cut is no answer.
	put(prefix+got.Files[0].Name, "cut")
	status, _ = get("acme", got.Files[0].Path)
	require.Equal(t, 502, status)
}
