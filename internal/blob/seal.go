package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/object"
)

// Sealer restores the lost checksum of an object, for example after a copy by a tool that
// drops extended attributes or metadata. Both stores implement it.
type Sealer interface {
	Store
	// Raw opens an object without checking its content.
	Raw(ctx context.Context, key string) (io.ReadCloser, error)
	// Seal stores the checksum of an object whose content has this SHA-256 now, or returns
	// object.ErrChanged. The content is not changed.
	Seal(ctx context.Context, key, sha256 string) error
}

// Raw implements Sealer.
func (s *File) Raw(ctx context.Context, key string) (io.ReadCloser, error) {
	return s.raw(ctx, "read object", key, os.O_RDONLY)
}

func (s *File) raw(ctx context.Context, op, key string, flag int) (*os.File, error) {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return nil, err
	}
	f, err := s.root.OpenFile(key, flag|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, answer(op, key, object.ErrNotFound)
	}
	if err != nil {
		return nil, s.fail(op, key, err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(answer(op, key, object.ErrNotFound), s.fail(op, key, err), f.Close())
	}
	return f, nil
}

// Seal implements Sealer.
func (s *File) Seal(ctx context.Context, key, sum string) (err error) {
	const op = "seal object"
	f, err := s.raw(ctx, op, key, os.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.fail(op, key, f.Close())) }()
	h := sha256.New()
	size, err := io.Copy(h, canceling{ctx, f})
	if err != nil {
		return s.fail(op, key, err)
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return answer(op, key, object.ErrChanged)
	}
	if err := (checksum{sha256: sum, size: size}).store(f); err != nil {
		return s.fail(op, key, err)
	}
	return s.fail(op, key, f.Sync())
}

// canceling reads until its context ends.
type canceling struct {
	ctx context.Context //nolint:containedctx // an io.Reader cannot be cancelled otherwise
	r   io.Reader
}

func (c canceling) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
