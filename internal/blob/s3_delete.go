package blob

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/internal/s3"
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

// DeleteIf implements Store: it is not supported. Not every S3 server checks the condition
// and deletes in one step: a concurrent delete and conditional write can both succeed, and
// the written object is lost.
func (s *S3) DeleteIf(ctx context.Context, key, _ string) error {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return err
	}
	return answer("delete object", key, errors.ErrUnsupported)
}
