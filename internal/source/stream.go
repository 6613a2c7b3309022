package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// opStream is the operation in errors of a video that is read for a player.
const opStream = "read video"

// window is how much of a remote video is read at once. A player reads a second or two, then jumps.
const window = 1 << 20

// Stream is a video that is read from any offset on, as a player does. A remote one is read
// in parts and never downloaded whole.
type Stream struct {
	io.ReadSeekCloser
	Version video.FileVersion // of the content that is read; a change in the middle is an error
	Name    string            // to display
}

// Stream opens a video that a tenant may read. Its errors are those of Open.
func (s *Sources) Stream(ctx context.Context, t tenant.ID, uri string) (*Stream, error) {
	at, remote, err := parseRemote(opStream, uri)
	if err != nil {
		return nil, err
	}
	if !remote {
		f, name, err := s.Open(ctx, t, uri)
		if err != nil {
			return nil, err
		}
		v, err := versionOf(f, uri)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return &Stream{f, v, name}, nil
	}
	from, err := s.parts(ctx, t, at)
	if err != nil {
		return nil, err
	}
	v, err := from.version(ctx)
	if err != nil {
		return nil, err
	}
	if v.Bytes < 0 {
		return nil, fault.New(fault.Input, opStream, at.String(), "the server does not tell its size, so it cannot be read in parts")
	}
	return &Stream{&remoteStream{ctx: ctx, from: from, version: v}, v, printable(at.base())}, nil
}

// versionOf identifies the content of a local file.
func versionOf(f *os.File, uri string) (video.FileVersion, error) {
	info, err := f.Stat()
	if err != nil {
		return video.FileVersion{}, explain(opPeek, uri, err)
	}
	return video.FileVersion{Bytes: info.Size(), Tag: fmt.Sprintf("modified %d", info.ModTime().UnixNano())}, nil
}

// remoteStream reads a remote video window by window.
type remoteStream struct {
	ctx     context.Context //nolint:containedctx // an io.Reader has no other way to be cancelled
	from    parts
	version video.FileVersion
	offset  int64
	start   int64 // of the window
	window  bytes.Buffer
}

// Read implements io.Reader.
func (r *remoteStream) Read(p []byte) (int, error) {
	if r.offset >= r.version.Bytes {
		return 0, io.EOF
	}
	held := r.window.Bytes()
	if r.offset < r.start || r.offset >= r.start+int64(len(held)) {
		if err := r.fill(); err != nil {
			return 0, err
		}
		held = r.window.Bytes()
	}
	n := copy(p, held[r.offset-r.start:])
	r.offset += int64(n)
	return n, nil
}

func (r *remoteStream) fill() error {
	length := min(window, r.version.Bytes-r.offset)
	r.window.Reset()
	r.start = r.offset
	n, ranges, err := r.from.copy(r.ctx, r.version, r.offset, length, &r.window)
	if err != nil {
		return err
	}
	if n != length {
		reason := "the server did not send the requested range"
		if !ranges {
			reason = "the server sends no parts of a file, so it cannot be played from here"
		}
		return fault.New(fault.Transport, opStream, r.from.String(), reason)
	}
	return nil
}

// Seek implements io.Seeker.
func (r *remoteStream) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.version.Bytes
	}
	if offset < 0 {
		return 0, fault.New(fault.Input, opStream, r.from.String(), "negative offset")
	}
	r.offset = offset
	return offset, nil
}

// Close implements io.Closer.
func (r *remoteStream) Close() error { return nil }
