package source

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/fetch"
	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// The parts of a remote video that are read for a probe of its container. Most formats have
// their headers at the start and the last timestamps at the end; an MP4 also has an index of
// any size anywhere, see boxes.go.
const (
	peekHead  = 2 << 20
	peekTail  = 512 << 10
	peekWhole = 4 << 20  // a smaller file is read whole
	peekIndex = 64 << 20 // maximum size of the index of an MP4
)

const opPeek = "look at video"

// Version identifies the current content at the URI of a video without reading it, so that a
// change can be detected later. It returns the same errors as Open.
func (s *Sources) Version(ctx context.Context, t tenant.ID, uri string) (video.FileVersion, string, error) {
	at, remote, err := parseRemote(opPeek, uri)
	switch {
	case err != nil:
		return video.FileVersion{}, "", err
	case !remote:
		f, name, err := s.Open(ctx, t, uri)
		if err != nil {
			return video.FileVersion{}, "", err
		}
		defer f.Close()
		v, err := versionOf(f, uri)
		return v, name, err
	}
	p, err := s.parts(ctx, t, at)
	if err != nil {
		return video.FileVersion{}, "", err
	}
	v, err := p.version(ctx)
	if err == nil && v.Bytes > s.config.MaxBytes {
		err = fault.New(fault.Input, opPeek, at.String(), "the file is larger than the configured maximum")
	}
	return v, printable(at.base()), err
}

// Peek opens the parts of a video that a probe needs. For a remote video, the file has the
// same size and holes in place of the parts that were not read; whole = there are no holes.
// v is the result of Version.
func (s *Sources) Peek(ctx context.Context, t tenant.ID, uri string, v video.FileVersion) (f *os.File, whole bool, err error) {
	at, remote, err := parseRemote(opPeek, uri)
	if err != nil {
		return nil, false, err
	}
	if !remote {
		f, _, err := s.Open(ctx, t, uri)
		return f, true, err
	}
	from, err := s.parts(ctx, t, at)
	if err != nil {
		return nil, false, err
	}
	p := &peek{sources: s, from: from, version: v}
	if p.file, err = s.unnamed(opPeek); err == nil {
		err = p.fill(ctx)
	}
	if err == nil {
		_, err = p.file.Seek(0, io.SeekStart)
		err = s.scratchFault(opPeek, err)
	}
	if err != nil {
		if p.file != nil {
			_ = p.file.Close() // this also deletes the file; the other error is returned
		}
		return nil, false, err
	}
	return p.file, p.whole, nil
}

// peek is a file into which parts of a video are copied.
type peek struct {
	sources *Sources
	from    parts
	version video.FileVersion
	file    *os.File
	head    int64 // number of bytes read at the start
	tail    int64 // offset of the bytes read at the end
	whole   bool
}

// fill reads the parts that a probe needs.
func (p *peek) fill(ctx context.Context) error {
	size := p.version.Bytes
	first := int64(peekHead)
	if size <= peekWhole {
		first = peekWhole + 1 // also if the server does not send the size
	}
	ranges, err := p.read(ctx, 0, first)
	if err != nil {
		return err
	}
	if size < 0 {
		p.whole = p.head < first
		return nil
	}
	if p.whole = p.head == size; p.whole {
		return nil
	}
	if err := p.sources.scratchFault(opPeek, p.file.Truncate(size)); err != nil {
		return err
	}
	p.tail = size
	if !ranges {
		return nil
	}
	p.tail = max(p.head, size-peekTail)
	if _, err := p.read(ctx, p.tail, size-p.tail); err != nil {
		return err
	}
	return p.index(ctx)
}

// read copies a part into the file; ranges = the server supports range requests.
func (p *peek) read(ctx context.Context, offset, length int64) (ranges bool, err error) {
	if p.version.Bytes >= 0 {
		length = min(length, p.version.Bytes-offset)
	}
	if length <= 0 {
		return true, nil
	}
	n, ranges, err := p.from.copy(ctx, p.version, offset, length, io.NewOffsetWriter(p.file, offset))
	if offset == 0 {
		p.head = n
	} else if err == nil && n != length {
		err = fault.New(fault.Transport, opPeek, p.from.String(), "the server did not send the requested range")
	}
	return ranges, p.sources.writeFault(err)
}

// parts reads parts of a remote file.
type parts interface {
	version(ctx context.Context) (video.FileVersion, error)
	// copy writes length bytes from offset on; fewer = the file ends there, or the server
	// does not support range requests.
	copy(ctx context.Context, v video.FileVersion, offset, length int64, w io.Writer) (n int64, ranges bool, err error)
	String() string
}

// parts returns access to a remote video that the tenant may read.
func (s *Sources) parts(ctx context.Context, t tenant.ID, at location) (parts, error) {
	if err := s.permit(opPeek, t, at); err != nil {
		return nil, err
	}
	if at.scheme == schemeUpload {
		return s.upload(opPeek, t, at)
	}
	if at.scheme != "s3" {
		return webParts{s, t, at}, nil
	}
	if err := at.object(opPeek); err != nil {
		return nil, err
	}
	client, err := s.s3.reach(ctx)
	return bucketParts{client, at}, err
}

type bucketParts struct {
	client *sdk.Client
	location
}

func (b bucketParts) version(ctx context.Context) (video.FileVersion, error) {
	out, err := b.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: &b.host, Key: &b.path})
	if s3.Missing(err) {
		return video.FileVersion{}, missingObject(opPeek, b.location)
	}
	if err != nil {
		return video.FileVersion{}, s3.Fault(ctx, opPeek, b.String(), err)
	}
	return video.FileVersion{Bytes: aws.ToInt64(out.ContentLength), Tag: aws.ToString(out.ETag)}, nil
}

func (b bucketParts) copy(ctx context.Context, v video.FileVersion, offset, length int64, w io.Writer) (int64, bool, error) {
	r, err := s3.GetPart(ctx, b.client, b.host, b.path, v.Tag, offset, length)
	if err != nil {
		return 0, false, err
	}
	defer r.Close()
	n, err := io.Copy(w, r)
	return n, true, err
}

type webParts struct {
	sources *Sources
	tenant  tenant.ID
	location
}

// version requests one byte with GET, because servers need not support HEAD and a signed URL
// may be valid for GET only.
func (p webParts) version(ctx context.Context) (video.FileVersion, error) {
	info, err := p.part(ctx, video.FileVersion{}, 0, 1, io.Discard)
	return video.FileVersion{Bytes: info.Size, Tag: info.Tag}, err
}

func (p webParts) copy(ctx context.Context, v video.FileVersion, offset, length int64, w io.Writer) (int64, bool, error) {
	info, err := p.part(ctx, v, offset, length, w)
	return info.Read, info.Ranges, err
}

func (p webParts) part(ctx context.Context, v video.FileVersion, offset, length int64, w io.Writer) (fetch.PartInfo, error) {
	return p.sources.web.Part(ctx, fetch.Part{
		URL: p.uri(), Permit: p.sources.permitURL(opPeek, p.tenant), Offset: offset, Length: length, Tag: v.Tag,
	}, w)
}

// writeFault classifies an error of the scratch directory and returns read errors unchanged.
func (s *Sources) writeFault(err error) error {
	if _, ours := errors.AsType[*fs.PathError](err); ours {
		return s.scratchFault(opPeek, err)
	}
	return err
}
