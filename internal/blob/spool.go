package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

const spoolMemory = 8 << 20 // bytes; a larger body goes to a temporary file

// spool is a complete body that can be read again, because S3 needs its size and SHA-256
// before the first byte, and a retry starts over.
type spool struct {
	memory bytes.Buffer
	file   *os.File // unlinked; nil while the body is in memory
	size   int64
	sha256 [sha256.Size]byte
}

// newSpool reads r to its end. Errors of r are the caller's own and keep their class.
func newSpool(ctx context.Context, op, key string, r io.Reader) (*spool, error) {
	s := &spool{}
	if err := s.fill(ctx, op, key, r); err != nil {
		_ = s.close() // the other error is the cause
		return nil, err
	}
	return s, nil
}

func (s *spool) fill(ctx context.Context, op, key string, r io.Reader) error {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	h := sha256.New()
	for {
		n, reading := r.Read(buf[:])
		_, _ = h.Write(buf[:n]) // never fails
		if err := s.write(buf[:n]); err != nil {
			return classify(op, os.TempDir(), err)
		}
		s.size += int64(n)
		if reading == io.EOF { // a wrapped EOF is a failure, not the end
			h.Sum(s.sha256[:0])
			return nil
		}
		if reading != nil {
			return fmt.Errorf("%s %q: read content: %w", op, key, reading)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// write appends, and moves the body to a file when it is too large for memory.
func (s *spool) write(p []byte) (err error) {
	if s.file == nil && s.memory.Len()+len(p) <= spoolMemory {
		s.memory.Write(p)
		return nil
	}
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "cogflow-spool-*"); err != nil {
			return err
		}
		if err := os.Remove(s.file.Name()); err != nil {
			return err
		}
		if _, err := s.file.Write(s.memory.Bytes()); err != nil {
			return err
		}
		s.memory = bytes.Buffer{}
	}
	_, err = s.file.Write(p)
	return err
}

// open returns a new reader over the whole body, which can seek.
func (s *spool) open() (io.ReadCloser, error) {
	if s.file == nil {
		return again{bytes.NewReader(s.memory.Bytes())}, nil
	}
	return again{io.NewSectionReader(s.file, 0, s.size)}, nil
}

// again is a reader of a spool, which stays open.
type again struct{ io.ReadSeeker }

func (again) Close() error { return nil }

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
