package source

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// Uploads reads the files that tenants have uploaded to the object store.
type Uploads interface {
	Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error)
	Part(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
	Stat(ctx context.Context, key string) (object.Info, error)
}

// checkUpload refuses a URI that is not upload://SHA256/NAME. The key of the object is made of the
// tenant and the hash alone; the name is shown, and says what kind of file it is.
func (l location) checkUpload(op string) error {
	const digits = 64
	if len(l.host) != digits || strings.Trim(l.host, "0123456789abcdef") != "" || l.path == "" || strings.Contains(l.path, "/") || l.query != "" {
		return fault.New(fault.Input, op, l.String(), "must be upload://SHA256/NAME, as an upload answers it")
	}
	return nil
}

// upload is an uploaded file of a tenant.
type upload struct {
	location
	store Uploads
	key   string
}

func (s *Sources) upload(op string, t tenant.ID, at location) (upload, error) {
	if s.config.Uploads == nil {
		return upload{}, fault.New(fault.Input, op, at.String(), "this worker has no object store with uploads")
	}
	return upload{at, s.config.Uploads, training.UploadKey(t, at.host)}, nil
}

func (u upload) version(ctx context.Context) (video.FileVersion, error) {
	info, err := u.store.Stat(ctx, u.key)
	return video.FileVersion{Bytes: info.Size, Tag: u.host}, u.missing(err)
}

func (u upload) copy(ctx context.Context, _ video.FileVersion, offset, length int64, w io.Writer) (int64, bool, error) {
	r, err := u.store.Part(ctx, u.key, offset, length)
	if err != nil {
		return 0, false, u.missing(err)
	}
	defer r.Close()
	n, err := io.Copy(w, r)
	return n, true, u.missing(err)
}

func (u upload) missing(err error) error {
	if errors.Is(err, object.ErrNotFound) {
		return fault.New(fault.Input, "open upload", u.String(), "nothing was uploaded with this hash for the tenant; upload it first")
	}
	return err
}

func (s *Sources) copyUpload(ctx context.Context, op string, t tenant.ID, at location, to *scratch) error {
	u, err := s.upload(op, t, at)
	if err != nil {
		return err
	}
	r, info, err := u.store.Get(ctx, u.key)
	if err != nil {
		return u.missing(err)
	}
	defer r.Close()
	if err := to.begin(0, info.Size); err != nil {
		return err
	}
	_, err = io.Copy(to, r)
	return err
}
