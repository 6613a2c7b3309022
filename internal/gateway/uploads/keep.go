package uploads

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// Keep stores a file that arrives in one piece, without a declaration. Its hash is known only at
// its end, so it lies below another key until then.
func (a *API) Keep(ctx context.Context, c api.Caller, name string, content io.Reader) (sha, uri string, err error) {
	store, err := a.Store(ctx)
	if err != nil {
		return "", "", err
	}
	s := session{store: store, tenant: c.Tenant, id: strings.ToLower(rand.Text()), Declaration: Declaration{Name: name}}
	key := partKey(c.Tenant, s.id, 0)
	remove := func() error { return store.Delete(context.WithoutCancel(ctx), key) }
	info, err := store.Put(ctx, key, content)
	if err != nil {
		return "", "", err // nothing was stored
	}
	s.Size, s.SHA256 = info.Size, info.SHA256
	if err := s.check(a.Most); err != nil {
		return "", "", errors.Join(err, remove())
	}
	if s.Size == 0 {
		return "", "", errors.Join(api.Fail(http.StatusBadRequest, "invalid_value", "the file is empty"), remove())
	}
	there, err := s.stored(ctx)
	if err == nil && !there {
		whole := &joined{ctx: ctx, store: store, keys: []string{key}, sum: sha256.New(), want: s.SHA256}
		_, err = store.Put(ctx, s.key(), whole)
		whole.close()
	}
	return s.SHA256, s.done().URI, errors.Join(err, remove())
}
