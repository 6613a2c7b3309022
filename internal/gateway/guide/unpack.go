package guide

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/archive"
	"github.com/cogniverse/cogflow/internal/gateway/media"
	"github.com/cogniverse/cogflow/internal/picture"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/video"
)

const (
	maxKey = 1024
	// storedAtOnce is how many frames of a batch are written to the store concurrently.
	storedAtOnce = 8
	// maxConverted is how many pixels of frames that are not JPEG a batch may have, in images of the
	// largest size: each of them is decoded here.
	maxConverted = 32
)

// open reads a batch whole, and checks its archive before anything is stored. Files and keys without
// a partner are failures of their own.
func open(r *http.Request) (b Batch, from *archive.Archive, err error) {
	data, err := api.ReadJSON(r)
	if err != nil {
		return b, nil, err
	}
	if err := strictjson.Unmarshal(data, &b); err != nil {
		return b, nil, api.Fail(http.StatusBadRequest, "invalid_json", "the body must be one JSON object: "+err.Error())
	}
	if b.Zip == "" || b.Mapping == nil {
		return b, nil, api.BadField("zip_data", "zip_data and frame_mapping are required")
	}
	packed, err := base64.StdEncoding.DecodeString(b.Zip)
	if err != nil {
		return b, nil, api.BadField("zip_data", "zip_data must be base64")
	}
	b.Zip = ""
	if from, err = archive.Open(packed); err != nil {
		return b, nil, err
	}
	keys := map[string]bool{}
	for _, key := range b.Mapping {
		if key == "" || len(key) > maxKey || keys[key] {
			return b, nil, api.BadField("frame_mapping", "each file must have a key of its own, of at most "+strconv.Itoa(maxKey)+" bytes")
		}
		keys[key] = true
	}
	for _, name := range from.Names() {
		if _, mapped := b.Mapping[name]; !mapped {
			return b, nil, api.BadField("frame_mapping", "the file "+strconv.Quote(name)+" of the archive has no key")
		}
	}
	if len(from.Names()) == 0 {
		return b, nil, api.BadField("zip_data", "the archive has no frames")
	}
	return b, from, nil
}

// keep stores the frames of an archive, and the list of them last. Equal frames with equal keys
// are the same batch. Frames that a model cannot be shown are failures; if all of them are, nothing is
// stored.
func (a *API) keep(ctx context.Context, c api.Caller, b Batch, from *archive.Archive) (video.Fingerprint, error) {
	store, err := a.Store(ctx)
	if err != nil {
		return "", err
	}
	batch, found, first := listed(c, b, from)
	if len(batch.Frames) == 0 {
		return "", first
	}
	id := batch.ID()
	prefix := video.BatchPrefix(c.Tenant, id)
	if err := a.hold(ctx, store, prefix); err != nil {
		return "", err
	}
	group, inner := panics.WithContext(ctx)
	group.SetLimit(storedAtOnce)
	for sum, p := range found {
		group.Go(func() error { return p.keep(inner, store, from, video.BatchPictureKey(prefix, sum), sum) })
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	return id, activities.WriteManifest(ctx, store, video.BatchKey(prefix), batch)
}

// shown is a picture of an archive.
type shown struct {
	name string
	jpeg []byte // if the file is of another kind; it is not converted twice
}

// keep stores a picture, unless it is stored.
func (p shown) keep(ctx context.Context, store activities.Store, from *archive.Archive, key, sum string) error {
	if there, err := store.Stat(ctx, key); err == nil && there.SHA256 == sum {
		return nil
	}
	data := p.jpeg
	if data == nil {
		var err error
		if data, err = from.Read(p.name); err != nil {
			return err
		}
	}
	_, err := store.Put(ctx, key, bytes.NewReader(data))
	return err
}

// listed makes the list of a batch. found are its pictures by their SHA-256; first is the first
// failure by name.
func listed(c api.Caller, b Batch, from *archive.Archive) (batch video.Batch, found map[string]shown, first error) {
	batch.Refused, found = map[string]string{}, map[string]shown{}
	names := from.Names()
	for name, key := range b.Mapping {
		if !slices.Contains(names, name) {
			batch.Refused[key] = "the archive has no file of this name"
		}
	}
	converted := 0
	for _, name := range slices.Sorted(slices.Values(names)) {
		key := b.Mapping[name]
		p, sum, err := frame(c, from, name, &converted)
		if err != nil {
			batch.Refused[key], first = api.Of(err).Message, cmp.Or(first, err)
			continue
		}
		found[sum] = p
		batch.Frames = append(batch.Frames, video.BatchFrame{Key: key, SHA256: sum})
	}
	slices.SortFunc(batch.Frames, func(x, y video.BatchFrame) int { return strings.Compare(x.Key, y.Key) })
	return batch, found, first
}

// frame reads a file of the archive as a JPEG, which every model takes. converted counts the pixels
// of those that are not.
func frame(c api.Caller, from *archive.Archive, name string, converted *int) (p shown, sum string, err error) {
	data, err := from.Read(name)
	if err != nil {
		return p, "", err
	}
	kind, pixels, err := media.Measure("zip_data", bytes.NewReader(data), c.MaxPixels)
	if err != nil {
		return p, "", err
	}
	p.name = name
	if kind != media.JPEG {
		if *converted += pixels; *converted > maxConverted*cmp.Or(c.MaxPixels, media.MaxPixels) {
			return p, "", api.BadField("zip_data", "the frames of the batch that are not JPEG have too many pixels together; send JPEG, or smaller batches")
		}
		if data, err = picture.JPEG(name, data, maxFrame); err != nil {
			return p, "", err
		}
		p.jpeg = data
	}
	digest := sha256.Sum256(data)
	return p, hex.EncodeToString(digest[:]), nil
}
