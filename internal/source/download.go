package source

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/fetch"
	"github.com/cogniverse/cogflow/tenant"
)

// reserve is the disk space that a download leaves free, in bytes.
const reserve = 64 << 20

// download copies a video that the tenant may read to an unnamed file, and returns the
// file at offset 0. If the connection breaks, the download resumes.
func (s *Sources) download(ctx context.Context, op string, t tenant.ID, at location, most int64) (*os.File, error) {
	if err := s.permit(op, t, at); err != nil {
		return nil, err
	}
	f, err := s.unnamed(op)
	if f == nil {
		return nil, err
	}
	to := &scratch{sources: s, op: op, subject: at.String(), file: f, most: most}
	switch {
	case err != nil:
	case at.scheme == "s3":
		err = s.copyObject(ctx, op, at, to)
	case at.scheme == schemeUpload:
		err = s.copyUpload(ctx, op, t, at, to)
	default:
		err = s.copyPage(ctx, op, t, at, to)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
		err = s.scratchFault(op, err)
	}
	if err != nil {
		_ = f.Close() // this also deletes the file; the other error is returned
		return nil, err
	}
	return f, nil
}

// unnamed makes a file in the scratch directory that is deleted when it is closed.
func (s *Sources) unnamed(op string) (*os.File, error) {
	f, err := os.CreateTemp(s.config.Scratch, "cogflow-source-*")
	if err != nil {
		return nil, s.scratchFault(op, err)
	}
	return f, s.scratchFault(op, os.Remove(f.Name()))
}

func (s *Sources) copyObject(ctx context.Context, op string, at location, to *scratch) error {
	r, err := s.s3.open(ctx, op, at)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := to.begin(0, r.Size); err != nil {
		return err
	}
	_, err = io.Copy(to, r)
	return err
}

// copyPage requests the rest once more if the connection breaks.
func (s *Sources) copyPage(ctx context.Context, op string, t tenant.ID, at location, to *scratch) error {
	ask := fetch.Request{URL: at.uri(), Begin: to.begin, Permit: s.permitURL(op, t)}
	info, err := s.web.Do(ctx, ask, to)
	if fault.ClassOf(err) == fault.Transport && ctx.Err() == nil {
		ask.Offset, ask.ETag = to.size, info.ETag
		_, err = s.web.Do(ctx, ask, to)
	}
	return err
}

// permitURL refuses a URL or redirect to a place that the tenant may not read.
func (s *Sources) permitURL(op string, t tenant.ID) func(*url.URL) error {
	return func(u *url.URL) error {
		target, _, err := parseRemote(op, u.String())
		if err != nil {
			return err
		}
		return s.permit(op, t, target)
	}
}

// scratch is the file of a running download.
type scratch struct {
	sources     *Sources
	op, subject string
	file        *os.File
	size        int64 // bytes written
	most        int64
}

// begin refuses a file that is too large for the limit or the disk, before it is downloaded.
func (w *scratch) begin(offset, size int64) error {
	if size > w.most {
		return w.tooLarge()
	}
	if offset != w.size {
		if err := w.file.Truncate(offset); err != nil {
			return w.sources.scratchFault(w.op, err)
		}
		if _, err := w.file.Seek(offset, io.SeekStart); err != nil {
			return w.sources.scratchFault(w.op, err)
		}
		w.size = offset
	}
	need := uint64(max(size-offset, 0)) + reserve //nolint:gosec // sizes are not negative
	free, err := w.free()
	if err == nil && free < need && w.sources.cache.clear() {
		free, err = w.free()
	}
	if err != nil {
		return w.sources.scratchFault(w.op, err)
	}
	if free < need {
		return fault.New(fault.Capacity, w.op, w.subject, fmt.Sprintf("needs %s in %s, where %s are free; make room there",
			humanize.IBytes(need), w.sources.config.Scratch, humanize.IBytes(free)))
	}
	return nil
}

func (w *scratch) free() (uint64, error) {
	var disk unix.Statfs_t
	err := unix.Fstatfs(int(w.file.Fd()), &disk)
	return disk.Bavail * uint64(disk.Bsize), err //nolint:gosec // sizes are not negative
}

// Write implements io.Writer.
func (w *scratch) Write(p []byte) (int, error) {
	if w.size+int64(len(p)) > w.most {
		return 0, w.tooLarge()
	}
	n, err := w.file.Write(p)
	w.size += int64(n)
	return n, w.sources.scratchFault(w.op, err)
}

func (w *scratch) tooLarge() error {
	return fault.New(fault.Input, w.op, w.subject, "larger than the maximum of "+humanize.IBytes(uint64(w.most))) //nolint:gosec // never negative
}

// scratchFault classifies an error of the directory for downloads.
func (s *Sources) scratchFault(op string, err error) error {
	if err == nil {
		return nil
	}
	return fault.Disk(op, s.config.Scratch, cause(err))
}
