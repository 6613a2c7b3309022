package uploads

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// Keep stores a file that arrives in one piece, without a declaration. Its hash is known only at
// its end, so it is an upload that is not complete until then, and expires as one.
func (a *API) Keep(ctx context.Context, c api.Caller, name string, content io.Reader) (sha, uri string, err error) {
	store, err := a.Store(ctx)
	if err != nil {
		return "", "", err
	}
	s := session{store: store, tenant: c.Tenant, Declaration: Declaration{Name: name, Size: a.Most}, Expires: a.now().Add(a.For).UTC()}
	if err := s.create(ctx); err != nil {
		return "", "", told(err)
	}
	err = s.keep(ctx, content, a.Most)
	return s.SHA256, s.done().URI, errors.Join(told(err), s.remove(context.WithoutCancel(ctx)))
}

// keep stores the content of a session whose size and hash it finds.
func (s *session) keep(ctx context.Context, content io.Reader, most int64) (err error) {
	sum := sha256.New()
	if s.Size, err = s.receive(ctx, 0, io.TeeReader(content, sum)); err != nil {
		if e, ok := errors.AsType[*api.Error](err); ok && e.Code == codePiece {
			return tooLarge(most)
		}
		return err
	}
	s.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if s.Size == 0 {
		return api.Fail(http.StatusBadRequest, "invalid_value", "the file is empty")
	}
	if err := s.check(most); err != nil {
		return err
	}
	if there, err := s.stored(ctx); err != nil || there {
		return err
	}
	return s.compose(ctx)
}
