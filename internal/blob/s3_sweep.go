package blob

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/internal/s3"
)

// orphaned is the age at which a multipart upload has no living writer. No upload takes
// that long; parts cost money until they are deleted.
const orphaned = 48 * time.Hour

// sweep deletes the parts of uploads that dead writers never completed. They were never
// visible. Ages are by the clock of the server.
func (s *S3) sweep(ctx context.Context, age time.Duration) error {
	const op = "sweep object store"
	pages := sdk.NewListMultipartUploadsPaginator(s.client, &sdk.ListMultipartUploadsInput{
		Bucket: &s.bucket, Prefix: aws.String(s.prefix),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s.fail(ctx, op, "", err)
		}
		now, ok := awsmiddleware.GetServerTime(page.ResultMetadata)
		for _, u := range page.Uploads {
			key := aws.ToString(u.Key)
			if !ok || u.Initiated == nil || now.Sub(*u.Initiated) < age || !strings.HasPrefix(key, s.prefix) {
				continue
			}
			_, err := s.client.AbortMultipartUpload(ctx, &sdk.AbortMultipartUploadInput{
				Bucket: &s.bucket, Key: &key, UploadId: u.UploadId,
			})
			if s3.Code(err) != "NoSuchUpload" && err != nil { // another process sweeps too
				return s.fail(ctx, op, strings.TrimPrefix(key, s.prefix), err)
			}
		}
	}
	return nil
}
