package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/fault"
)

const (
	resumes = 3 // of a body whose connection breaks
	readOp  = "read object"
)

// Reader reads an object. When the connection breaks, it resumes at the same offset,
// if the object has not changed. Its errors are faults, or the error of its context.
type Reader struct {
	Size     int64             // bytes
	ETag     string            // as the server sent it, with quotes
	Metadata map[string]string // names in lower case
	Modified time.Time

	ctx         context.Context //nolint:containedctx // an io.Reader has no other way to be cancelled
	client      *s3.Client
	bucket, key string
	offset      int64 // bytes read
	resumes     int   // left
	body        io.ReadCloser
	stop        context.CancelFunc // ends the request that body belongs to
}

// Get opens an object. It returns the client's errors, for use with Missing and Fault.
func Get(ctx context.Context, client *s3.Client, bucket, key string) (*Reader, error) {
	r := &Reader{ctx: ctx, client: client, bucket: bucket, key: key, resumes: resumes}
	out, err := r.request(&s3.GetObjectInput{})
	if err != nil {
		return nil, err
	}
	if out.ContentLength == nil || *out.ContentLength < 0 {
		_ = r.Close() // nothing was read
		return nil, r.broken("the server did not send the size of the object", nil)
	}
	r.Size, r.ETag, r.Metadata, r.Modified = *out.ContentLength, aws.ToString(out.ETag), out.Metadata, aws.ToTime(out.LastModified)
	return r, nil
}

// GetPart opens a part of an object. The object must still have the ETag that Get or
// HeadObject returned. The part must lie within the object.
func GetPart(ctx context.Context, client *s3.Client, bucket, key, etag string, offset, length int64) (*Reader, error) {
	r := &Reader{ctx: ctx, client: client, bucket: bucket, key: key, resumes: resumes, ETag: etag, offset: offset, Size: offset + length}
	if err := r.rest(); err != nil {
		if r.body != nil {
			_ = r.Close() // nothing was read
		}
		return nil, err
	}
	return r, nil
}

// request opens the body with its own context, so that a stalled body can be cancelled.
func (r *Reader) request(in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	ctx, stop := context.WithCancel(r.ctx)
	in.Bucket, in.Key = &r.bucket, &r.key
	out, err := r.client.GetObject(ctx, in)
	if err != nil {
		stop()
		return nil, err
	}
	r.body, r.stop = out.Body, stop
	return out, nil
}

// Read implements io.Reader. It never returns more than Size bytes, even if the server sends more.
func (r *Reader) Read(p []byte) (int, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		if r.offset == r.Size {
			return 0, io.EOF
		}
		n, err := r.read(p[:min(int64(len(p)), r.Size-r.offset)])
		r.offset += int64(n)
		if n > 0 || err == nil {
			return n, nil
		}
		if err := r.resume(err); err != nil {
			return 0, err
		}
	}
}

func (r *Reader) read(p []byte) (int, error) {
	timer := time.AfterFunc(stall, r.stop)
	defer timer.Stop()
	return r.body.Read(p)
}

// resume opens the rest of a body that ended with err.
func (r *Reader) resume(err error) error {
	if ended := r.ctx.Err(); ended != nil {
		return ended
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("no data for " + stall.String())
	}
	if r.resumes == 0 {
		return r.broken("", err)
	}
	r.resumes--
	_ = r.Close() // the body is broken already
	return r.rest()
}

// rest opens the part that is not read yet.
func (r *Reader) rest() error {
	out, err := r.request(&s3.GetObjectInput{IfMatch: &r.ETag, Range: aws.String(fmt.Sprintf("bytes=%d-%d", r.offset, r.Size-1))})
	switch {
	case err == nil && out.ContentRange != nil && aws.ToInt64(out.ContentLength) == r.Size-r.offset:
		return nil
	case err == nil:
		return r.broken("the server did not send the requested range", nil)
	case Status(err) == http.StatusPreconditionFailed, Missing(err):
		return r.broken("the object changed while it was read; read it again", nil)
	}
	return Fault(r.ctx, readOp, r.name(), err)
}

func (r *Reader) broken(reason string, err error) error {
	return &fault.Error{Class: fault.Transport, Op: readOp, Subject: r.name(), Reason: reason, Err: err}
}

func (r *Reader) name() string { return "s3://" + r.bucket + "/" + r.key }

// Close implements io.Closer. Its errors do not affect the data that was read.
func (r *Reader) Close() error {
	r.stop()
	return r.body.Close()
}
