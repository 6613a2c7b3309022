package blob

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/panics"
)

const looks = 16 // HEAD requests in flight

// List requests each object's metadata, because a listing has no SHA-256.
func (s *S3) List(ctx context.Context, prefix string, yield func(object.Info) error) error {
	if err := errors.Join(checkPrefix(prefix), ctx.Err()); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	queue := make(chan (<-chan found), looks-2) // one more is being made, one more is waited for
	ended := make(chan error, 1)
	panics.Go(func() error {
		defer close(queue)
		return s.pages(ctx, prefix, queue)
	}, func(err error) { ended <- err })
	err := s.collect(queue, yield)
	stop()
	for next := range queue {
		<-next
	}
	if listing := <-ended; err == nil {
		err = listing
	}
	return err
}

// Owners asks for the common prefixes at the top.
func (s *S3) Owners(ctx context.Context) (out []string, err error) {
	pages := sdk.NewListObjectsV2Paginator(s.client, &sdk.ListObjectsV2Input{
		Bucket: &s.bucket, Prefix: aws.String(s.prefix), Delimiter: aws.String("/"),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.fail(ctx, "list objects", "", err)
		}
		for _, p := range page.CommonPrefixes {
			name := strings.TrimSuffix(strings.TrimPrefix(aws.ToString(p.Prefix), s.prefix), "/")
			if CheckKey(name) == nil {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

type found struct {
	key  string
	info object.Info
	err  error
}

// pages lists keys and starts a HEAD request for each, in order.
func (s *S3) pages(ctx context.Context, prefix string, queue chan<- (<-chan found)) error {
	pages := sdk.NewListObjectsV2Paginator(s.client, &sdk.ListObjectsV2Input{
		Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s.fail(ctx, "list objects", prefix, err)
		}
		for _, o := range page.Contents {
			key, ours := strings.CutPrefix(aws.ToString(o.Key), s.prefix)
			if !ours || CheckKey(key) != nil {
				continue // a directory marker, or the self-test of a store with a longer prefix
			}
			look := make(chan found, 1)
			var now stored
			panics.Go(func() (err error) {
				now, err = s.head(ctx, "list objects", key)
				return err
			}, func(err error) { look <- found{key, now.info, err} })
			select {
			case queue <- look:
			case <-ctx.Done():
				<-look
				return ctx.Err()
			}
		}
	}
	return nil
}

// collect yields the results of the HEAD requests.
func (s *S3) collect(queue <-chan (<-chan found), yield func(object.Info) error) error {
	for next := range queue {
		f := <-next
		switch {
		case errors.Is(f.err, object.ErrNotFound):
			continue // deleted meanwhile
		case errors.Is(f.err, object.ErrCorrupt):
			f.info, f.err = object.Info{Key: f.key}, nil
		}
		if f.err != nil {
			return f.err
		}
		if err := yield(f.info); err != nil {
			return err
		}
	}
	return nil
}
