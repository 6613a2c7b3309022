package api

import (
	"bytes"
	"mime"
	"net/http"
)

// ReadJSON reads a body that must be JSON. It does not check that it is.
func ReadJSON(r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, Fail(http.StatusUnsupportedMediaType, "invalid_media_type", "the header Content-Type must be application/json")
	}
	return Read(r)
}

// readAhead limits the memory that a request gets for its word alone.
const readAhead = 4 << 20

// Read is the body of a request, in one piece of memory if its length is known.
func Read(r *http.Request) ([]byte, error) {
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), readAhead)) + bytes.MinRead)
	_, err := body.ReadFrom(r.Body)
	return body.Bytes(), err
}
