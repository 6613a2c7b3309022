package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/object"
)

// maxCopy is the largest object that S3 copies in one call.
const maxCopy = 5 << 30

// Raw implements Sealer.
func (s *S3) Raw(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := s.raw(ctx, "read object", key)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (s *S3) raw(ctx context.Context, op, key string) (*s3.Reader, error) {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return nil, err
	}
	r, err := s3.Get(ctx, s.client, s.bucket, s.prefix+key)
	if s3.Missing(err) {
		return nil, answer(op, key, object.ErrNotFound)
	}
	if err != nil {
		return nil, s.fail(ctx, op, key, err)
	}
	return r, nil
}

// Seal implements Sealer. S3 changes metadata by copying an object onto itself, which fails
// if another write came meanwhile.
func (s *S3) Seal(ctx context.Context, key, sum string) error {
	const op = "seal object"
	r, err := s.raw(ctx, op, key)
	if err != nil {
		return err
	}
	h := sha256.New()
	size, err := io.Copy(h, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return s.fail(ctx, op, key, err)
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return answer(op, key, object.ErrChanged)
	}
	if size > maxCopy {
		return fault.New(fault.Input, op, s.name(key), "it is larger than 5 GiB, which S3 does not copy in one call; upload it again")
	}
	_, err = s.client.CopyObject(ctx, &sdk.CopyObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + key), CopySource: aws.String(s.bucket + "/" + (&url.URL{Path: s.prefix + key}).EscapedPath()),
		CopySourceIfMatch: &r.ETag, MetadataDirective: types.MetadataDirectiveReplace,
		Metadata: map[string]string{sumName: sum, nonceName: rand.Text()},
	})
	if conflicts(err) || s3.Missing(err) {
		return answer(op, key, object.ErrChanged)
	}
	return s.fail(ctx, op, key, err)
}
