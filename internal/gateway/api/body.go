package api

import (
	"io"
	"mime"
	"net/http"
)

// ReadJSON reads a body that must be JSON. It does not check that it is.
func ReadJSON(r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, Fail(http.StatusUnsupportedMediaType, "invalid_media_type", "the header Content-Type must be application/json")
	}
	return io.ReadAll(r.Body)
}
