package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/object"
)

// Put is atomic and durable, as every write to S3.
func (s *S3) Put(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	return s.write(ctx, "put object", key, r, func(u upload) error {
		for range turns {
			if conflict, _, err := s.send(ctx, u); err != nil || !conflict {
				return err
			}
		}
		return s.busy(u)
	})
}

// Create implements Store.
func (s *S3) Create(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	return s.write(ctx, "create object", key, r, func(u upload) error {
		u.ifNoneMatch = aws.String("*")
		for range turns {
			conflict, exists, err := s.send(ctx, u)
			if err != nil || !conflict {
				return err
			}
			if exists {
				return answer(u.op, key, object.ErrExists)
			}
		}
		return s.busy(u)
	})
}

// Replace implements Store.
func (s *S3) Replace(ctx context.Context, key, sha256 string, r io.Reader) (object.Info, error) {
	return s.write(ctx, "replace object", key, r, func(u upload) error {
		for range turns {
			now, err := s.steady(ctx, u.op, key)
			torn := errors.Is(err, object.ErrCorrupt)
			if torn && sha256 != "" || err == nil && now.info.SHA256 != sha256 {
				return answer(u.op, key, object.ErrChanged)
			}
			if err != nil && !torn {
				return err
			}
			u.ifMatch = &now.etag
			if conflict, _, err := s.send(ctx, u); err != nil || !conflict {
				return err
			}
		}
		return s.busy(u)
	})
}

// steady is head for a consistent answer. S3 gives one, but gateways to file systems
// (versitygw 1.8) read the metadata and the ETag separately: the ETag of a newer object
// would let an update be lost. When two answers are equal, the first one is consistent.
func (s *S3) steady(ctx context.Context, op, key string) (stored, error) {
	now, err := s.head(ctx, op, key)
	for range turns {
		if err != nil {
			return now, err
		}
		first := now
		if now, err = s.head(ctx, op, key); err == nil && now.nonce == first.nonce && now.etag == first.etag {
			return now, nil
		}
	}
	return now, s.busy(upload{op: op, key: key})
}

// turns limits how often a write is repeated because another one was in progress, which
// does not say which of them wins.
const turns = 10

func (s *S3) busy(u upload) error {
	return fault.New(fault.Overload, u.op, s.name(u.key), "other writers keep changing the object")
}

// upload is one write. Its nonce identifies it, so that it can be recognized when its
// response was lost.
type upload struct {
	op, key, nonce       string
	size                 int64
	sha256               [sha256.Size]byte
	open                 func() (io.ReadCloser, error) // its content, from the beginning
	ifMatch, ifNoneMatch *string                       // an ETag; "*"
}

// write spools the content and lets publish upload it.
func (s *S3) write(ctx context.Context, op, key string, r io.Reader, publish func(upload) error) (info object.Info, err error) {
	if err := errors.Join(CheckKey(key), ctx.Err()); err != nil {
		return object.Info{}, err
	}
	body, err := newSpool(ctx, op, key, r)
	if err != nil {
		return object.Info{}, err
	}
	err = publish(upload{op: op, key: key, nonce: rand.Text(), size: body.size, sha256: body.sha256, open: body.open})
	if closing := body.close(); err == nil {
		err = closing
	}
	if err != nil {
		return object.Info{}, err
	}
	return object.Info{Key: key, Size: body.size, SHA256: hex.EncodeToString(body.sha256[:]), Modified: time.Now()}, nil
}

// send uploads once, with the retries of the client. If the response does not say whether
// this write took place, the object does: a retry after a lost response finds its own first
// attempt. conflict: the condition failed or another write was in progress; exists: there
// is an object of another write.
func (s *S3) send(ctx context.Context, u upload) (conflict, exists bool, err error) {
	sent := s.upload(ctx, u)
	if sent == nil {
		return false, false, nil
	}
	if own, ok := errors.AsType[*contentError](sent); ok {
		return false, false, fmt.Errorf("%s %q: %w", u.op, u.key, own)
	}
	failed := s.fail(ctx, u.op, u.key, sent)
	conflict = conflicts(sent) || u.ifMatch != nil && s3.Missing(sent)
	if ctx.Err() != nil || !conflict && fault.ClassOf(failed) != fault.Transport && fault.ClassOf(failed) != fault.Overload {
		return false, false, failed
	}
	now, looking := s.head(ctx, u.op, u.key)
	switch {
	case looking == nil && now.nonce == u.nonce:
		return false, true, nil
	case !conflict:
		return false, false, failed
	case looking == nil, errors.Is(looking, object.ErrCorrupt):
		return true, true, nil
	case errors.Is(looking, object.ErrNotFound):
		return true, false, nil
	}
	return false, false, looking
}

// upload returns the errors of the client as they are.
func (s *S3) upload(ctx context.Context, u upload) error {
	key := s.prefix + u.key
	metadata := map[string]string{sumName: hex.EncodeToString(u.sha256[:]), nonceName: u.nonce}
	content, err := u.open()
	if err != nil {
		return &contentError{err}
	}
	defer content.Close()
	if u.size > parted {
		// The transfer reads each part into memory, so it can repeat it.
		body := &source{Reader: content}
		_, err := s.parts.UploadObject(ctx, &transfermanager.UploadObjectInput{
			Bucket: &s.bucket, Key: &key, Body: body, ContentLength: &u.size, Metadata: metadata,
			IfMatch: u.ifMatch, IfNoneMatch: u.ifNoneMatch,
		})
		if err != nil && body.err != nil {
			return &contentError{body.err}
		}
		return err
	}
	_, err = s.client.PutObject(ctx, &sdk.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: content, ContentLength: &u.size, Metadata: metadata,
		IfMatch: u.ifMatch, IfNoneMatch: u.ifNoneMatch,
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(u.sha256[:])), // the server compares it
	})
	return err
}
