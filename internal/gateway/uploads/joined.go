package uploads

import (
	"context"
	"hash"
	"io"
)

// joined reads parts one after the other. It fails at the end if they do not have the wanted hash,
// so that a store keeps nothing.
type joined struct {
	ctx   context.Context //nolint:containedctx // a reader has no other way
	store Store
	keys  []string
	sum   hash.Hash
	want  string
	open  io.ReadCloser
}

func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.open == nil {
			if len(j.keys) == 0 {
				if sumOf(j.sum) != j.want {
					return 0, errChecksum
				}
				return 0, io.EOF
			}
			r, _, err := j.store.Get(j.ctx, j.keys[0])
			if err != nil {
				return 0, err
			}
			j.open, j.keys = r, j.keys[1:]
		}
		n, err := j.open.Read(p)
		j.sum.Write(p[:n])
		if err != io.EOF {
			return n, err
		}
		j.close()
		if n > 0 {
			return n, nil
		}
	}
}

func (j *joined) close() {
	if j.open != nil {
		_ = j.open.Close() // it was only read
		j.open = nil
	}
}
