// Package page serves the page at /: static files that talk to the routes of the gateway as every
// client does. It has no data of its own.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

//go:embed static
var files embed.FS

// Page has the routes.
type Page struct{}

// policy allows what the page loads from its own host, and nothing else: no inline script or style,
// no frame, no other host. Pictures with a key come by fetch, as blobs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; " +
	"worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types worker" // the address of the service worker

// Routes is the table of the package. The files are public: they hold no data.
func (Page) Routes() []api.Route {
	route := func(at, name, summary, media string, handle api.Handler) api.Route {
		return api.Route{
			Method: http.MethodGet, Path: at, Name: name, Tag: "page", Summary: summary, Media: media, Public: true,
			More: []int{http.StatusNotModified}, Errors: []int{http.StatusNotFound}, Handle: handle,
		}
	}
	return []api.Route{
		route("/{$}", "page", "The page for people", "text/html", func(w http.ResponseWriter, r *http.Request, c api.Caller) error {
			return serve(w, r, c, "index.html")
		}),
		route("/page/{file}", "pageFile", "A file of the page", "text/javascript, text/css, text/html, image/svg+xml", func(w http.ResponseWriter, r *http.Request, c api.Caller) error {
			return serve(w, r, c, r.PathValue("file"))
		}),
	}
}

func serve(w http.ResponseWriter, r *http.Request, c api.Caller, name string) error {
	media := map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(name)]
	data, err := fs.ReadFile(files, "static/"+name)
	if err != nil || media == "" || c.Model != "" || strings.ContainsAny(name, "/\\") { // a listener of one model has no page
		return api.Fail(http.StatusNotFound, "not_found", "there is no such path; /openapi.json lists all")
	}
	sum := sha256.Sum256(data)
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if name == "worker.js" {
		h.Set("Service-Worker-Allowed", "/") // it adds the key to requests for /videos
	}
	h.Set("Cache-Control", "no-cache") // a newer gateway has newer files
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	return nil
}
