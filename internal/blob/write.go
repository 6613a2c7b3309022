package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/cogniverse/cogflow/object"
)

// Put is atomic but not durable by itself: after a power failure the object may be damaged,
// which readers notice. The next Create or Replace makes it durable.
func (s *File) Put(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	return s.write(ctx, "put object", key, r, func(st *staged) error {
		unlock, err := s.lock(ctx, key)
		if err != nil {
			return err
		}
		return errors.Join(s.place(key, func() error { return st.rename(s.root, key) }), unlock())
	})
}

// Create also makes every earlier Put durable, so that no manifest outlives the objects
// that it names.
func (s *File) Create(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	const op = "create object"
	switch _, err := s.Stat(ctx, key); {
	case err == nil, errors.Is(err, object.ErrCorrupt):
		return object.Info{}, answer(op, key, object.ErrExists)
	case !errors.Is(err, object.ErrNotFound):
		return object.Info{}, err
	}
	return s.write(ctx, op, key, r, func(st *staged) error {
		err := s.place(key, func() error {
			if err := s.settle(st, key); err != nil {
				return err
			}
			return s.root.Link(st.name, key)
		})
		if errors.Is(err, fs.ErrExist) {
			return answer(op, key, object.ErrExists)
		}
		return errors.Join(err, s.syncDir(path.Dir(key)))
	})
}

// Replace also makes every earlier Put durable.
func (s *File) Replace(ctx context.Context, key, sha256 string, r io.Reader) (object.Info, error) {
	const op = "replace object"
	return s.write(ctx, op, key, r, func(st *staged) error {
		if err := syncAll(st.file); err != nil {
			return err
		}
		unlock, err := s.lock(ctx, key)
		if err != nil {
			return err
		}
		return errors.Join(s.swap(ctx, op, key, sha256, st), unlock())
	})
}

func (s *File) swap(ctx context.Context, op, key, sha256 string, st *staged) error {
	switch now, err := s.Stat(ctx, key); {
	case errors.Is(err, object.ErrCorrupt) && sha256 == "":
	case errors.Is(err, object.ErrCorrupt), err == nil && now.SHA256 != sha256:
		return answer(op, key, object.ErrChanged)
	case err != nil:
		return err
	}
	if err := st.rename(s.root, key); err != nil {
		return err
	}
	return s.syncDir(path.Dir(key))
}

// staged is a complete object that is not visible yet.
type staged struct {
	name string // empty once it is renamed
	file *os.File
}

func (st *staged) rename(root *os.Root, key string) error {
	err := root.Rename(st.name, key)
	if err == nil {
		st.name = ""
	}
	return err
}

// write stages the content and calls publish to make it visible. The temporary name is
// always removed.
func (s *File) write(ctx context.Context, op, key string, r io.Reader, publish func(*staged) error) (info object.Info, err error) {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return object.Info{}, err
	}
	st, err := s.stage()
	if err != nil {
		return object.Info{}, s.fail(op, key, err)
	}
	info, err = s.fill(ctx, op, key, st.file, r)
	if err == nil {
		err = s.fail(op, key, publish(st))
	}
	if closing := st.file.Close(); err == nil {
		err = s.fail(op, key, closing)
	}
	if st.name != "" {
		if removing := s.remove(st.name); err == nil {
			err = s.fail(op, key, removing)
		}
	}
	if err != nil {
		return object.Info{}, err
	}
	return info, nil
}

// buffers avoids garbage in a store of many small objects.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }} //nolint:gochecknoglobals // a pool is global by nature

// fill copies r and stores the checksum. Errors of r are the caller's own and
// keep their class.
func (s *File) fill(ctx context.Context, op, key string, f *os.File, r io.Reader) (object.Info, error) {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	h, size := sha256.New(), int64(0)
	for {
		n, reading := r.Read(buf[:])
		if n > 0 {
			_, _ = h.Write(buf[:n]) // never fails
			if _, err := f.Write(buf[:n]); err != nil {
				return object.Info{}, s.fail(op, key, err)
			}
			size += int64(n)
		}
		if reading == io.EOF { // a wrapped EOF is a failure, not the end
			break
		}
		if reading != nil {
			return object.Info{}, fmt.Errorf("%s %q: read content: %w", op, key, reading)
		}
		if err := ctx.Err(); err != nil {
			return object.Info{}, err
		}
	}
	sum := checksum{sha256: hex.EncodeToString(h.Sum(nil)), size: size}
	if err := sum.store(f); err != nil {
		return object.Info{}, s.fail(op, key, err)
	}
	stat, err := f.Stat()
	if err != nil {
		return object.Info{}, s.fail(op, key, err)
	}
	return object.Info{Key: key, Size: size, SHA256: sum.sha256, Modified: stat.ModTime()}, nil
}
