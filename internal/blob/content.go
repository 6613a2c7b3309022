package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
)

// PutContent is Put, which needs no copy.
func (s *File) PutContent(ctx context.Context, key string, c object.Content) (object.Info, error) {
	return putVerified(ctx, s, key, c)
}

// PutContent uploads a large object while it is read. Memory has the parts that are on their way.
func (s *S3) PutContent(ctx context.Context, key string, c object.Content) (object.Info, error) {
	const op = "put object"
	if c.Size <= parted {
		return putVerified(ctx, s, key, c)
	}
	if err := CheckKey(key); err != nil {
		return object.Info{}, err
	}
	u := upload{op: op, key: key, nonce: rand.Text(), size: c.Size, open: func() (io.ReadCloser, error) { return openVerified(c) }}
	if n, err := hex.Decode(u.sha256[:], []byte(c.SHA256)); err != nil || n != len(u.sha256) {
		return object.Info{}, fault.New(fault.Input, op, key, "the announced SHA-256 is not one")
	}
	for range turns {
		conflict, _, err := s.send(ctx, u)
		if err != nil {
			return object.Info{}, err
		}
		if !conflict {
			return object.Info{Key: key, Size: c.Size, SHA256: c.SHA256, Modified: time.Now()}, nil
		}
	}
	return object.Info{}, s.busy(u)
}

func putVerified(ctx context.Context, s Store, key string, c object.Content) (object.Info, error) {
	r, err := openVerified(c)
	if err != nil {
		return object.Info{}, err
	}
	info, err := s.Put(ctx, key, r)
	_ = r.Close() // it was only read
	return info, err
}

// verified fails at the end of content that is not what was announced, so that a store keeps nothing.
type verified struct {
	io.ReadCloser
	left int64
	sum  hash.Hash
	want string
}

func openVerified(c object.Content) (*verified, error) {
	r, err := c.Open()
	if err != nil {
		return nil, err
	}
	return &verified{ReadCloser: r, left: c.Size, sum: sha256.New(), want: c.SHA256}, nil
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.left -= int64(n)
	_, _ = v.sum.Write(p[:n]) // never fails
	switch {
	case v.left < 0:
		return 0, fmt.Errorf("%w: it is longer", object.ErrMismatch)
	case err == io.EOF && v.left > 0:
		return n, fmt.Errorf("%w: it is shorter", object.ErrMismatch)
	case err == io.EOF && hex.EncodeToString(v.sum.Sum(nil)) != v.want:
		return n, fmt.Errorf("%w: it has another SHA-256", object.ErrMismatch)
	}
	return n, err
}

// source notes why content could not be read, which is no fault of the server.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// contentError is the error of a source.
type contentError struct{ err error }

func (e *contentError) Error() string { return "read content: " + e.err.Error() }

func (e *contentError) Unwrap() error { return e.err }
