package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
)

// Get checks the size immediately and the SHA-256 at the last byte.
func (s *File) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	f, info, err := s.open(ctx, "read object", key)
	if err != nil {
		return nil, object.Info{}, err
	}
	return &reader{ctx: ctx, store: s, info: info, file: f, hash: sha256.New()}, info, nil
}

// Part implements Store.
func (s *File) Part(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	f, info, err := s.open(ctx, partOp, key)
	if err != nil {
		return nil, err
	}
	if err := within(key, offset, length, info.Size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &part{Reader: io.NewSectionReader(f, offset, length), Closer: f}, nil
}

const partOp = "read part of object"

// part is a part of an open object.
type part struct {
	io.Reader
	io.Closer
}

// within refuses a part that is not of the object: a caller counts wrong, or reads an older object.
func within(key string, offset, length, size int64) error {
	if offset < 0 || length < 0 || offset > size-length {
		return fault.New(fault.Input, partOp, key, fmt.Sprintf("bytes %d to %d are not within its %d", offset, offset+length, size))
	}
	return nil
}

// Stat implements Store.
func (s *File) Stat(ctx context.Context, key string) (object.Info, error) {
	const op = "look at object"
	f, info, err := s.open(ctx, op, key)
	if err != nil {
		return object.Info{}, err
	}
	return info, s.fail(op, key, f.Close())
}

// Delete removes an object and the directories that become empty.
func (s *File) Delete(ctx context.Context, key string) error {
	return s.unlink(ctx, "delete object", key, func() error { return s.removeObject(key) })
}

// DeleteIf implements Store. Under the lock no other writer can replace or create the
// object.
func (s *File) DeleteIf(ctx context.Context, key, sha256 string) error {
	const op = "delete object"
	return s.unlink(ctx, op, key, func() error {
		now, err := s.Stat(ctx, key)
		switch {
		case errors.Is(err, object.ErrNotFound):
			return nil
		case errors.Is(err, object.ErrCorrupt), err == nil && now.SHA256 != sha256:
			return answer(op, key, object.ErrChanged)
		case err != nil:
			return err
		}
		return s.removeObject(key)
	})
}

// unlink calls remove under the lock of the key, then removes the directories that become
// empty.
func (s *File) unlink(ctx context.Context, op, key string, remove func() error) error {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return err
	}
	unlock, err := s.lock(ctx, key)
	if err != nil {
		return s.fail(op, key, err)
	}
	if err := errors.Join(remove(), unlock()); err != nil {
		return s.fail(op, key, err)
	}
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if s.removeDir(dir) != nil {
			break // not empty, or a concurrent delete was faster
		}
	}
	return nil //nolint:nilerr // the directories are not empty
}

// removeDir removes only an empty directory, unlike Root.Remove: an object may have the
// name by now.
func (s *File) removeDir(dir string) error {
	parent, err := s.root.Open(path.Dir(dir))
	if err != nil {
		return err
	}
	err = unix.Unlinkat(int(parent.Fd()), path.Base(dir), unix.AT_REMOVEDIR)
	return errors.Join(err, parent.Close())
}

// removeObject does not remove directories: they are not objects.
func (s *File) removeObject(key string) error {
	info, err := s.root.Lstat(key)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || err == nil && info.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	return s.remove(key)
}

// open opens the object of a key and reads its checksum.
func (s *File) open(ctx context.Context, op, key string) (*os.File, object.Info, error) {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return nil, object.Info{}, err
	}
	f, info, err := openObject(s.root, key)
	if err == nil {
		info.Key = key
		return f, info, nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		if gone := s.gone(op); gone != nil {
			return nil, object.Info{}, gone
		}
		err = object.ErrNotFound
	}
	if errors.Is(err, object.ErrNotFound) || errors.Is(err, object.ErrCorrupt) {
		return nil, object.Info{}, answer(op, key, err)
	}
	return nil, object.Info{}, s.fail(op, key, err)
}

// openObject does not block if a FIFO is in the place of the object.
func openObject(root *os.Root, name string) (*os.File, object.Info, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, object.Info{}, err
	}
	info, err := describe(f)
	if err != nil {
		return nil, object.Info{}, errors.Join(err, f.Close())
	}
	return f, info, nil
}

func describe(f *os.File) (object.Info, error) {
	stat, err := f.Stat()
	if err != nil {
		return object.Info{}, err
	}
	if !stat.Mode().IsRegular() {
		return object.Info{}, object.ErrNotFound
	}
	sum, err := loadChecksum(f)
	if err == nil && sum.size != stat.Size() {
		err = object.ErrCorrupt
	}
	if err != nil {
		return object.Info{}, err
	}
	return object.Info{Size: stat.Size(), SHA256: sum.sha256, Modified: stat.ModTime()}, nil
}

type reader struct {
	ctx   context.Context //nolint:containedctx // an io.Reader cannot be cancelled otherwise
	store *File
	info  object.Info
	file  *os.File
	hash  hash.Hash
}

// Read implements io.Reader; see Store.Get.
func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.file.Read(p)
	_, _ = r.hash.Write(p[:n]) // never fails
	if errors.Is(err, io.EOF) {
		if hex.EncodeToString(r.hash.Sum(nil)) != r.info.SHA256 {
			return n, answer("read object", r.info.Key, object.ErrCorrupt)
		}
		return n, io.EOF
	}
	return n, r.store.fail("read object", r.info.Key, err)
}

// Close implements io.Closer.
func (r *reader) Close() error {
	return r.store.fail("read object", r.info.Key, r.file.Close())
}
