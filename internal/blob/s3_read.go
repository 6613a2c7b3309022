package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"

	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/object"
)

// Get checks the SHA-256 at the last byte.
func (s *S3) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	const op = "read object"
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return nil, object.Info{}, err
	}
	r, err := s3.Get(ctx, s.client, s.bucket, s.prefix+key)
	if s3.Missing(err) {
		return nil, object.Info{}, answer(op, key, object.ErrNotFound)
	}
	if err != nil {
		return nil, object.Info{}, s.fail(ctx, op, key, err)
	}
	now, err := describeStored(key, r.Metadata, &r.Size, &r.ETag, &r.Modified)
	if err != nil {
		_ = r.Close() // nothing was read
		return nil, object.Info{}, answer(op, key, err)
	}
	return &verifier{ReadCloser: r, info: now.info, hash: sha256.New()}, now.info, nil
}

// Part implements Store.
func (s *S3) Part(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return nil, err
	}
	now, err := s.head(ctx, partOp, key)
	if err == nil {
		err = within(key, offset, length, now.info.Size)
	}
	if err != nil || length == 0 { // no range is empty
		return io.NopCloser(strings.NewReader("")), err
	}
	r, err := s3.GetPart(ctx, s.client, s.bucket, s.prefix+key, now.etag, offset, length)
	if err != nil {
		return nil, s.fail(ctx, partOp, key, err)
	}
	return r, nil
}

// verifier returns object.ErrCorrupt at the end when the content is not the stored one.
type verifier struct {
	io.ReadCloser
	info object.Info
	hash hash.Hash
}

// Read implements io.Reader; see Store.Get.
func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	_, _ = v.hash.Write(p[:n]) // never fails
	if err == io.EOF && hex.EncodeToString(v.hash.Sum(nil)) != v.info.SHA256 {
		return n, answer("read object", v.info.Key, object.ErrCorrupt)
	}
	return n, err
}
