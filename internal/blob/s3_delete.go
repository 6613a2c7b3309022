package blob

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/object"
)

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key string) error {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return err
	}
	return s.remove(ctx, "delete object", key)
}

func (s *S3) remove(ctx context.Context, op, key string) error {
	_, err := s.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if s3.Missing(err) {
		return nil
	}
	return s.fail(ctx, op, key, err)
}

// DeleteIf implements Store. It deletes what still has the ETag that belongs to the
// SHA-256. A repeat after a lost answer meets no object, or another writer's.
func (s *S3) DeleteIf(ctx context.Context, key, sha256 string) error {
	const op = "delete object"
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return err
	}
	if !s.deletesIf {
		return answer(op, key, errors.ErrUnsupported)
	}
	for range turns {
		now, err := s.steady(ctx, op, key)
		switch {
		case errors.Is(err, object.ErrNotFound):
			return nil
		case errors.Is(err, object.ErrCorrupt), err == nil && now.info.SHA256 != sha256:
			return answer(op, key, object.ErrChanged)
		case err != nil:
			return err
		}
		_, err = s.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key), IfMatch: &now.etag})
		if err == nil || s3.Missing(err) {
			return nil
		}
		if ctx.Err() != nil || !conflicts(err) {
			return s.fail(ctx, op, key, err)
		}
	}
	return s.busy(upload{op: op, key: key})
}

// testConditionalDelete deletes an object under a condition that does not hold. A server
// without conditional deletes deletes it, or refuses the request as one that it does not know.
func (s *S3) testConditionalDelete(ctx context.Context, op, key string) (bool, error) {
	_, err := s.client.DeleteObject(ctx, &sdk.DeleteObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + key), IfMatch: aws.String(`"` + strings.Repeat("0", 32) + `"`),
	})
	switch s3.Status(err) {
	case http.StatusPreconditionFailed:
		return true, nil
	case http.StatusBadRequest, http.StatusNotImplemented:
		return false, nil
	}
	return false, s.fail(ctx, op, key, err)
}
