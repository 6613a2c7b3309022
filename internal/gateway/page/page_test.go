package page_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/page"
)

func get(t *testing.T, path string, c api.Caller) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	w := httptest.NewRecorder()
	route, err := api.NewMux(page.Page{}.Routes()).Find(w, r)
	if err == nil {
		err = route.Handle(w, r, c)
	}
	if err != nil {
		api.Write(w, api.Of(err))
	}
	return w
}

// TestFiles: every file is served with its type and a policy that allows no inline script and no other
// host, and is loaded by another one.
func TestFiles(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("static")
	require.NoError(t, err)
	var all strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join("static", f.Name()))
		require.NoError(t, err)
		all.Write(data)
		w := get(t, "/page/"+f.Name(), api.Caller{})
		require.Equal(t, http.StatusOK, w.Code, f.Name())
		require.Equal(t, string(data), w.Body.String())
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
		require.NotContains(t, w.Header().Get("Content-Security-Policy"), "unsafe")
	}
	for _, f := range files {
		if f.Name() != "index.html" {
			require.Contains(t, all.String(), "/page/"+f.Name())
		}
	}
	w := get(t, "/", api.Caller{})
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	for _, path := range []string{"/page/none.js", "/page/..%2fpage.go", "/page/static%2fapp.js", "/page/"} {
		require.Equal(t, http.StatusNotFound, get(t, path, api.Caller{}).Code, path)
	}
	require.Equal(t, http.StatusNotFound, get(t, "/", api.Caller{Model: "qwen"}).Code, "a listener of one model has no page")
}

// TestText: no code of the page reads text as HTML, runs text, or names another host.
func TestText(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("static/*.js")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	bad := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|javascript:|https?://`)
	for _, name := range append(scripts, "static/index.html", "static/style.css", "static/parts.css") {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Empty(t, bad.FindString(string(data)), name)
		require.LessOrEqual(t, strings.Count(string(data), "\n"), 400, name)
	}
}
