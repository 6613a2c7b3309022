package uploads

import (
	"context"
	"io"

	"github.com/cogniverse/cogflow/object"
)

// joined reads parts one after the other.
type joined struct {
	ctx   context.Context //nolint:containedctx // a reader has no other way
	store Store
	keys  []string
	open  io.ReadCloser
}

// content is a file of a session, of its parts.
func (s session) content(ctx context.Context, keys []string) object.Content {
	return object.Content{Size: s.Size, SHA256: s.SHA256, Open: func() (io.ReadCloser, error) {
		return &joined{ctx: ctx, store: s.store, keys: keys}, nil
	}}
}

func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.open == nil {
			if len(j.keys) == 0 {
				return 0, io.EOF
			}
			r, _, err := j.store.Get(j.ctx, j.keys[0])
			if err != nil {
				return 0, err
			}
			j.open, j.keys = r, j.keys[1:]
		}
		n, err := j.open.Read(p)
		if err != io.EOF {
			return n, err
		}
		_ = j.Close() // it was only read
		if n > 0 {
			return n, nil
		}
	}
}

func (j *joined) Close() error {
	if j.open == nil {
		return nil
	}
	open := j.open
	j.open = nil
	return open.Close()
}
