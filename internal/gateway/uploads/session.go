package uploads

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// The objects of an upload that is not complete. A part is named by its offset, and created only
// once, so that two gateways cannot both store the same bytes.
//
//	TENANT/uploads/open/ID.json       the declaration
//	TENANT/uploads/parts/ID/OFFSET    bytes
func openPrefix(t tenant.ID) string             { return string(t) + "/uploads/open/" }
func openKey(t tenant.ID, id string) string     { return openPrefix(t) + id + ".json" }
func allParts(t tenant.ID) string               { return string(t) + "/uploads/parts/" }
func partsPrefix(t tenant.ID, id string) string { return allParts(t) + id + "/" }
func partKey(t tenant.ID, id string, at int64) string {
	return partsPrefix(t, id) + fmt.Sprintf("%020d", at)
}

// partSize is the size of the largest part. A store may keep a part in a temporary file of the
// gateway until it is whole.
const partSize = 16 << 20

// session is an upload that is not complete.
type session struct {
	Declaration
	Expires time.Time `json:"expires"`

	store  Store
	tenant tenant.ID
	id     string
}

func noUpload() error {
	return api.Fail(http.StatusNotFound, CodeNoUpload, "the tenant has no open upload with this id; it may be complete, or expired: begin it again")
}

func (s *session) create(ctx context.Context) error {
	s.id = strings.ToLower(rand.Text())
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = s.store.Create(ctx, openKey(s.tenant, s.id), bytes.NewReader(data))
	return err
}

// load finds an open upload of a tenant. An id is made by create; nothing else gets into a key.
func load(ctx context.Context, store Store, t tenant.ID, id string, now time.Time) (session, error) {
	const length = 26
	if len(id) != length || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return session{}, noUpload()
	}
	s := session{store: store, tenant: t, id: id}
	r, _, err := store.Get(ctx, openKey(t, id))
	if errors.Is(err, object.ErrNotFound) {
		return session{}, noUpload()
	}
	if err != nil {
		return session{}, err
	}
	defer r.Close()
	if err := decode(r, &s); err != nil {
		return session{}, err
	}
	if now.After(s.Expires) {
		return session{}, errors.Join(noUpload(), s.remove(ctx))
	}
	return s, nil
}

// parts yields the stored parts in their order, as long as each begins where the one before ends.
func (s session) parts(ctx context.Context, yield func(object.Info) error) (end int64, err error) {
	err = s.store.List(ctx, partsPrefix(s.tenant, s.id), func(i object.Info) error {
		if i.Key != partKey(s.tenant, s.id, end) {
			return nil
		}
		end += i.Size
		return yield(i)
	})
	return end, err
}

func (s session) offset(ctx context.Context) (int64, error) {
	return s.parts(ctx, func(object.Info) error { return nil })
}

// receive stores bytes from an offset on, and returns where they end. If the connection breaks,
// what has arrived is kept.
func (s session) receive(ctx context.Context, at int64, body io.Reader) (int64, error) {
	in := &broken{r: body}
	for at < s.Size && in.err == nil {
		part := io.LimitReader(in, min(partSize, s.Size-at))
		// The first byte decides whether there is a part at all.
		first := make([]byte, 1)
		if n, _ := io.ReadFull(part, first); n == 0 {
			break
		}
		info, err := s.store.Create(context.WithoutCancel(ctx), partKey(s.tenant, s.id, at), io.MultiReader(bytes.NewReader(first), part))
		if errors.Is(err, object.ErrExists) {
			return at, api.Fail(http.StatusConflict, CodeOffset, "another request stores the same bytes; ask for the offset again")
		}
		if err != nil {
			return at, err
		}
		at += info.Size
	}
	if in.err != nil && !errors.Is(in.err, io.EOF) {
		return at, in.err
	}
	if n, _ := in.Read(make([]byte, 1)); at == s.Size && n > 0 {
		return at, api.Fail(http.StatusRequestEntityTooLarge, codePiece, "the piece goes beyond the declared size; the bytes up to it are stored")
	}
	return at, nil
}

// broken ends a body where its connection breaks, and keeps the reason.
type broken struct {
	r   io.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, io.EOF
	}
	n, err := b.r.Read(p)
	if err != nil {
		b.err, err = err, io.EOF
	}
	return n, err
}

// compose writes the file from its parts under its hash, which nothing can see before it is whole.
func (s session) compose(ctx context.Context) error {
	var keys []string
	end, err := s.parts(ctx, func(i object.Info) error { keys = append(keys, i.Key); return nil })
	if err != nil {
		return err
	}
	if end != s.Size {
		return noUpload() // another request has removed it
	}
	_, err = s.store.PutContent(ctx, s.key(), s.content(ctx, keys))
	return err
}

func (s session) key() string { return training.UploadKey(s.tenant, s.SHA256) }

// stored reports whether the tenant has the file already.
func (s session) stored(ctx context.Context) (bool, error) {
	info, err := s.store.Stat(ctx, s.key())
	switch {
	case errors.Is(err, object.ErrNotFound) || errors.Is(err, object.ErrCorrupt):
		return false, nil
	case err != nil:
		return false, err
	}
	return info.Size == s.Size && info.SHA256 == s.SHA256, nil
}

// remove deletes the upload, its declaration last: until then a repetition finds what is left.
func (s session) remove(ctx context.Context) error {
	var keys []string
	err := s.store.List(ctx, partsPrefix(s.tenant, s.id), func(i object.Info) error { keys = append(keys, i.Key); return nil })
	for _, key := range append(keys, openKey(s.tenant, s.id)) {
		if err == nil {
			err = s.store.Delete(ctx, key)
		}
	}
	return err
}

func (s session) state(offset int64) Upload {
	return Upload{ID: s.id, Name: s.Name, Size: s.Size, SHA256: s.SHA256, Offset: offset, Expires: s.Expires}
}

// done is the state of a complete upload.
func (s session) done() Upload {
	u := s.state(s.Size)
	u.ID, u.Complete, u.Expires = "", true, time.Time{}
	u.URI = "upload://" + s.SHA256 + "/" + url.PathEscape(s.Name)
	return u
}
