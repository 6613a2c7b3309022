package source

import (
	"context"
	"path"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/video/subtitles"
)

// bucketReader reads from S3. It looks for credentials at the first use, so that
// a worker that reads only local files needs none.
type bucketReader struct {
	place s3.Place

	mu     sync.Mutex
	client *sdk.Client
}

func newBucketReader(query string) (*bucketReader, error) {
	place, err := s3.Parse("s3://sources?" + query)
	return &bucketReader{place: place}, err
}

// reach does not cache an error: credentials may be configured later.
func (b *bucketReader) reach(ctx context.Context) (*sdk.Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client != nil {
		return b.client, nil
	}
	client, err := b.place.Client(ctx)
	if err == nil {
		b.client = client
	}
	return client, err
}

// open opens an object.
func (b *bucketReader) open(ctx context.Context, op string, at location) (*s3.Reader, error) {
	if err := at.object(op); err != nil {
		return nil, err
	}
	client, err := b.reach(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s3.Get(ctx, client, at.host, at.path)
	if s3.Missing(err) {
		return nil, missingObject(op, at)
	}
	return r, s3.Fault(ctx, op, at.String(), err)
}

// object returns an error for a prefix.
func (l location) object(op string) error {
	if l.path == "" || strings.HasSuffix(l.path, "/") {
		return fault.New(fault.Input, op, l.String(), "it is a prefix, not an object")
	}
	return nil
}

func missingObject(op string, at location) error {
	return fault.New(fault.Input, op, at.String(), "object not found; check the key, and end a prefix with a slash")
}

// exists reports whether an object, or otherwise a prefix, exists.
func (b *bucketReader) exists(ctx context.Context, op string, at location) (bool, error) {
	client, err := b.reach(ctx)
	if err != nil {
		return false, err
	}
	_, err = client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: &at.host, Key: &at.path})
	if s3.Missing(err) {
		return false, nil
	}
	return err == nil, s3.Fault(ctx, op, at.String(), err)
}

// list yields the objects whose names are those of videos, in the order of their keys.
func (b *bucketReader) list(ctx context.Context, at location, recursive bool, yield func(uri string) error) (skipped int, err error) {
	const op = "list source"
	client, err := b.reach(ctx)
	if err != nil {
		return 0, err
	}
	in := &sdk.ListObjectsV2Input{Bucket: &at.host, Prefix: &at.path}
	if !recursive {
		in.Delimiter = aws.String("/")
	}
	anything := false
	for pages := sdk.NewListObjectsV2Paginator(client, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return skipped, s3.Fault(ctx, op, at.String(), err)
		}
		anything = anything || len(page.Contents)+len(page.CommonPrefixes) > 0
		for _, o := range page.Contents {
			if err := ctx.Err(); err != nil {
				return skipped, err
			}
			key := aws.ToString(o.Key)
			switch name(strings.TrimPrefix(key, at.path)) {
			case nothing:
			case other:
				skipped++
			case clip:
				if err := yield(location{scheme: "s3", host: at.host, path: key}.uri()); err != nil {
					return skipped, err
				}
			}
		}
	}
	if !anything {
		return 0, fault.New(fault.Input, op, at.String(), "no object found under this prefix; check the URI")
	}
	return skipped, nil
}

type kind int

const (
	nothing kind = iota // the marker of a directory, an object below a hidden directory, or subtitles
	other
	clip
)

// name classifies a key below a listed prefix by the same rules as files.
func name(key string) kind {
	dir, file := path.Split(key)
	switch {
	case file == "" || strings.HasPrefix(dir, ".") || strings.Contains(dir, "/."):
		return nothing
	case !strings.HasPrefix(file, ".") && isMedia(path.Ext(file)):
		return clip
	case subtitles.IsName(file):
		return nothing
	}
	return other
}
