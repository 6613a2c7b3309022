// Package learned keeps what workers have learned about model servers in the object store that
// they share: small JSON records, one object each, so that none overwrites what others have
// learned. It does not know what the records mean.
package learned

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
)

// Store is the object store. It is told what workers learn for all tenants: that is a property of
// a server, not of a request.
type Store interface {
	Put(ctx context.Context, key string, r io.Reader) (object.Info, error)
	Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error)
	List(ctx context.Context, prefix string, yield func(object.Info) error) error
	Delete(ctx context.Context, key string) error
}

// Kind is one kind of record.
type Kind[R any] struct {
	Folder string // of all its records
	What   string // for people: "learned limit"
}

func (k Kind[R]) root() string { return string(tenant.Default) + "/" + k.Folder + "/" }

// Prefix holds the records of a model at a server, for all tenants.
func (k Kind[R]) Prefix(server, model string) string {
	hash := sha256.Sum256([]byte(server + "\x00" + model))
	return k.root() + hex.EncodeToString(hash[:16]) + "/"
}

// Read lists the records of a model at a server that keep accepts with their key. The error names
// objects that cannot be read; the others are listed.
func (k Kind[R]) Read(ctx context.Context, s Store, server, model string, keep func(key string, r R) bool) (all []R, err error) {
	var unreadable []error
	err = s.List(ctx, k.Prefix(server, model), func(i object.Info) error {
		r, err := k.get(ctx, s, i.Key)
		switch {
		case errors.Is(err, object.ErrNotFound): // removed meanwhile
		case err != nil:
			unreadable = append(unreadable, err)
		case keep(i.Key, r):
			all = append(all, r)
		}
		return ctx.Err()
	})
	return all, errors.Join(append(unreadable, err)...)
}

func (k Kind[R]) get(ctx context.Context, s Store, key string) (r R, err error) {
	body, _, err := s.Get(ctx, key)
	if err != nil {
		return r, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 1<<16))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fault.Wrap(fault.Input, "read "+k.What, key, err)
	}
	return r, nil
}

// Put stores a record.
func (k Kind[R]) Put(ctx context.Context, s Store, key string, r R) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, key, bytes.NewReader(text))
	return err
}

// Forget removes the records that match, and returns them. It also removes what cannot be read.
func (k Kind[R]) Forget(ctx context.Context, s Store, match func(R) bool) (removed []R, err error) {
	err = s.List(ctx, k.root(), func(i object.Info) error {
		r, err := k.get(ctx, s, i.Key)
		if errors.Is(err, object.ErrNotFound) || err == nil && !match(r) {
			return nil
		}
		if err == nil {
			removed = append(removed, r)
		}
		return s.Delete(ctx, i.Key)
	})
	return removed, err
}
