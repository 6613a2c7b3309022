package library

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/media"
	"github.com/cogniverse/cogflow/internal/picture"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
)

// Picture is the body of a request: the bytes of a JPEG, PNG or WebP file.
type Picture string

// Example is a picture that searches can name.
type Example struct {
	Image video.ID `json:"image" jsonschema:"what GET /search takes as image"`
	Bytes int      `json:"bytes" jsonschema:"of the JPEG that is compared"`
}

// decodings bounds the memory for pictures of all requests: one can take a quarter of a GiB.
const decodings = 2

// example stores a picture to search by, as a JPEG, from where workers read it.
func (a *API) example(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	if err := api.Query(r, nil).Err(); err != nil {
		return err
	}
	data, err := api.Read(r) // the door limits it
	if err != nil {
		return err
	}
	kind, _, err := media.Measure("body", bytes.NewReader(data), c.MaxPixels)
	if err != nil {
		return err
	}
	if kind == media.GIF {
		return api.BadField("body", "a GIF is not supported; send a JPEG, PNG or WebP")
	}
	ctx := r.Context()
	a.decoders.Do(func() { a.decoding = make(chan struct{}, decodings) })
	select {
	case a.decoding <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	jpeg, err := picture.JPEG("body", data, video.MaxExample)
	<-a.decoding
	if err != nil {
		return err
	}
	store, err := a.Store(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(jpeg)
	out := Example{Image: video.ID(hex.EncodeToString(sum[:])), Bytes: len(jpeg)}
	key := video.ExampleKey(c.Tenant, out.Image)
	_, err = store.Stat(ctx, key)
	if errors.Is(err, object.ErrNotFound) || errors.Is(err, object.ErrCorrupt) {
		_, err = store.Put(ctx, key, bytes.NewReader(jpeg))
	}
	if err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}
