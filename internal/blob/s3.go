package blob

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	transfer "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/object"
)

const (
	sumName   = "cogflow-sha256" // metadata: the SHA-256 of the content
	nonceName = "cogflow-write"  // metadata: one random value for each write
	partSize  = 8 << 20          // bytes; an upload keeps up to three in memory
	parted    = 16 << 20         // bytes; a larger object is uploaded in parts
	abortTime = 10 * time.Second // to delete the parts of a failed upload
)

// S3 is a store in a bucket. An object is a plain object under the prefix; its SHA-256 is
// in its metadata. Several processes may share a bucket.
type S3 struct {
	client *sdk.Client
	parts  *transfermanager.Client
	bucket string
	prefix string // empty, or ends in a slash
}

func openS3(ctx context.Context, rawURL string) (Store, error) {
	place, err := s3.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	return openPlace(ctx, place)
}

func openPlace(ctx context.Context, place s3.Place) (Store, error) {
	prefix := strings.TrimSuffix(place.Prefix, "/")
	if prefix != "" {
		if err := CheckKey(prefix); err != nil {
			return nil, err
		}
		prefix += "/"
	}
	client, err := place.Client(ctx)
	if err != nil {
		return nil, err
	}
	s := &S3{client: client, bucket: place.Bucket, prefix: prefix}
	s.parts = transfermanager.New(client, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold, o.Concurrency = partSize, partSize, 2
		o.FailTimeout, o.ChecksumAlgorithm = abortTime, transfer.ChecksumAlgorithmCrc32
	})
	if err := s.selfTest(ctx); err != nil {
		return nil, err
	}
	if err := s.sweep(ctx, orphaned); err != nil {
		return nil, err
	}
	return s, nil
}

// selfTest finds problems at the start instead of in the first job: a missing bucket or
// permission, or a server that ignores the condition of a write, with which two workers
// would both get a claim.
func (s *S3) selfTest(ctx context.Context) error {
	const op = "open object store"
	key := tempName()
	body, err := newSpool(ctx, op, key, strings.NewReader("self-test"))
	if err != nil {
		return err
	}
	u := upload{op: op, key: key, nonce: rand.Text(), size: body.size, sha256: body.sha256, open: body.open, ifNoneMatch: aws.String("*")}
	if _, _, err := s.send(ctx, u); err != nil {
		return err
	}
	err = s.testConditions(ctx, u)
	if removing := s.remove(ctx, op, key); err == nil {
		err = removing
	}
	return err
}

// testConditions makes two writes over that of u, both of which must fail.
func (s *S3) testConditions(ctx context.Context, u upload) error {
	u.nonce = rand.Text()
	created, _, err := s.send(ctx, u)
	if err != nil {
		return err
	}
	u.nonce, u.ifNoneMatch, u.ifMatch = rand.Text(), nil, aws.String(`"`+strings.Repeat("0", 32)+`"`)
	replaced, _, err := s.send(ctx, u)
	if err != nil {
		return err
	}
	if !created || !replaced {
		return fault.New(fault.Input, u.op, s.name(""),
			"this server ignores conditional writes (If-None-Match, If-Match); use a newer version of it, or another one")
	}
	_, err = s.head(ctx, u.op, u.key) // checks that the server keeps metadata
	return err
}

// name is the URL for people: s3://bucket/prefix/key.
func (s *S3) name(key string) string { return "s3://" + s.bucket + "/" + s.prefix + key }

func (s *S3) fail(ctx context.Context, op, key string, err error) error {
	return s3.Fault(ctx, op, s.name(key), err)
}

// stored is what is known about an object without reading it.
type stored struct {
	info  object.Info
	etag  string
	nonce string
}

// describeStored returns object.ErrCorrupt for an object that no store wrote.
func describeStored(key string, metadata map[string]string, size *int64, etag *string, modified *time.Time) (stored, error) {
	sum := metadata[sumName]
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) != 32 || size == nil {
		return stored{etag: aws.ToString(etag)}, errLost
	}
	return stored{
		info: object.Info{Key: key, Size: *size, SHA256: sum, Modified: aws.ToTime(modified)},
		etag: aws.ToString(etag), nonce: metadata[nonceName],
	}, nil
}

// head requests the metadata of an object.
func (s *S3) head(ctx context.Context, op, key string) (stored, error) {
	out, err := s.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if s3.Missing(err) {
		return stored{}, answer(op, key, object.ErrNotFound)
	}
	if err != nil {
		return stored{}, s.fail(ctx, op, key, err)
	}
	now, err := describeStored(key, out.Metadata, out.ContentLength, out.ETag, out.LastModified)
	if err != nil {
		return now, answer(op, key, err)
	}
	return now, nil
}

// Stat implements Store.
func (s *S3) Stat(ctx context.Context, key string) (object.Info, error) {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return object.Info{}, err
	}
	now, err := s.head(ctx, "look at object", key)
	return now.info, err
}

// conflicts reports whether the answer to a conditional write means that the condition
// failed, or that another write was in progress.
func conflicts(err error) bool {
	return slices.Contains([]int{http.StatusPreconditionFailed, http.StatusConflict}, s3.Status(err))
}
