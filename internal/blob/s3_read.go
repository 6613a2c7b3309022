package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/object"
)

const (
	resumes = 3                // of a body that breaks
	stall   = 60 * time.Second // without a byte, after which a body counts as broken
)

// Get checks the SHA-256 when the last byte is read. A body that breaks is
// resumed where it broke, as long as the object is the same.
func (s *S3) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return nil, object.Info{}, err
	}
	r := &s3Reader{ctx: ctx, store: s, key: key, hash: sha256.New(), resumes: resumes}
	out, err := r.request(&sdk.GetObjectInput{})
	if s3.Missing(err) {
		return nil, object.Info{}, answer(readOp, key, object.ErrNotFound)
	}
	if err != nil {
		return nil, object.Info{}, s.fail(ctx, readOp, key, err)
	}
	now, err := describeStored(key, out.Metadata, out.ContentLength, out.ETag, out.LastModified)
	if err != nil {
		_ = r.Close() // nothing was read
		return nil, object.Info{}, answer(readOp, key, err)
	}
	r.info, r.etag = now.info, now.etag
	return r, now.info, nil
}

const readOp = "read object"

type s3Reader struct {
	ctx     context.Context //nolint:containedctx // an io.Reader has no other way to hear of a cancel
	store   *S3
	key     string
	info    object.Info
	etag    string
	hash    hash.Hash
	offset  int64 // bytes read
	resumes int   // left

	body io.ReadCloser
	stop context.CancelFunc // ends the request that body belongs to
}

// request opens the body. It has a context of its own, so that a stalled one can be ended.
func (r *s3Reader) request(in *sdk.GetObjectInput) (*sdk.GetObjectOutput, error) {
	ctx, stop := context.WithCancel(r.ctx)
	in.Bucket, in.Key = &r.store.bucket, aws.String(r.store.prefix+r.key)
	out, err := r.store.client.GetObject(ctx, in)
	if err != nil {
		stop()
		return nil, err
	}
	r.body, r.stop = out.Body, stop
	return out, nil
}

// Read implements io.Reader; see Store.Get.
func (r *s3Reader) Read(p []byte) (int, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		if r.offset == r.info.Size {
			return 0, r.verify()
		}
		n, err := r.read(p)
		r.offset += int64(n)
		_, _ = r.hash.Write(p[:n]) // never fails
		if n > 0 || err == nil || len(p) == 0 {
			return n, nil
		}
		if err := r.resume(err); err != nil {
			return 0, err
		}
	}
}

// read never goes beyond the size of the object, whatever the server sends.
func (r *s3Reader) read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), r.info.Size-r.offset)]
	timer := time.AfterFunc(stall, r.stop)
	defer timer.Stop()
	return r.body.Read(p)
}

func (r *s3Reader) verify() error {
	if hex.EncodeToString(r.hash.Sum(nil)) != r.info.SHA256 {
		return answer(readOp, r.key, object.ErrCorrupt)
	}
	return io.EOF
}

// resume opens the rest of a body that ended with err.
func (r *s3Reader) resume(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if ended := r.ctx.Err(); ended != nil {
		return ended
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("no data for " + stall.String())
	}
	if r.resumes == 0 {
		return &fault.Error{Class: fault.Transport, Op: readOp, Subject: r.store.name(r.key), Err: err}
	}
	r.resumes--
	_ = r.Close() // it is broken already
	out, err := r.request(&sdk.GetObjectInput{IfMatch: &r.etag, Range: aws.String(fmt.Sprintf("bytes=%d-", r.offset))})
	switch {
	case err == nil && out.ContentRange != nil && aws.ToInt64(out.ContentLength) == r.info.Size-r.offset:
		return nil
	case err == nil:
		return fault.New(fault.Transport, readOp, r.store.name(r.key), "the server does not send the range that was asked for")
	case s3.Status(err) == http.StatusPreconditionFailed, s3.Missing(err):
		return fault.New(fault.Transport, readOp, r.store.name(r.key), "the object changed while it was read; read it again")
	}
	return r.store.fail(r.ctx, readOp, r.key, err)
}

// Close implements io.Closer. What was read is not affected by its errors.
func (r *s3Reader) Close() error {
	r.stop()
	return r.body.Close()
}
