// Package images brings the images of rows from the files that rows name to the object store, and
// from there to the trainer. It knows no formats of rows and no models.
package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/imagefile"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// Limits of the images of a dataset.
const (
	maxFiles = 500_000
	maxBytes = 64 << 30 // of all of them
)

// Source finds the images of one dataset.
type Source struct {
	Documents activities.Documents
	Store     activities.Store // nil = images are checked and not stored
	Tenant    tenant.ID
	Dataset   activities.Dataset    // where relative paths begin
	Skip      func(uri string) bool // images that another source reads; nil = none

	known map[[sha256.Size]byte]known // by the hash of the URI
	bytes int64
}

// Of finds the images of a dataset and stores them; nil = there is no dataset.
func Of(ctx context.Context, store activities.Store, d activities.Documents, t tenant.ID, of *activities.Dataset) rows.Images {
	if of == nil {
		return nil
	}
	return (&Source{Documents: d, Store: store, Tenant: t, Dataset: *of}).Images(ctx)
}

// known is an image that was read.
type known struct {
	sum   [sha256.Size]byte
	wrong *rows.RowError // why it was refused; nil = it was not
}

// Images finds images for rows. Each one is read and stored once.
func (s *Source) Images(ctx context.Context) rows.Images {
	return func(uri string) (string, error) {
		of := sha256.Sum256([]byte(uri))
		found, again := s.known[of]
		if !again {
			var err error
			if found, err = s.find(ctx, uri); err != nil {
				return "", err
			}
			if s.known == nil {
				s.known = map[[sha256.Size]byte]known{}
			}
			s.known[of] = found
		}
		if found.wrong != nil {
			return "", found.wrong
		}
		return hex.EncodeToString(found.sum[:]), nil
	}
}

// find reads an image that the dataset has not named before.
func (s *Source) find(ctx context.Context, uri string) (known, error) {
	if len(s.known) == maxFiles {
		return known{}, fault.New(fault.Input, "read images", s.name(), fmt.Sprintf("its rows name more than %d images; use a part of it", maxFiles))
	}
	if s.Skip != nil && s.Skip(uri) {
		return known{sum: sha256.Sum256([]byte(uri))}, nil
	}
	data, name, err := s.read(ctx, uri)
	if err == nil {
		err = check(data, name)
	}
	if wrong, ok := errors.AsType[*rows.RowError](err); ok {
		return known{wrong: wrong}, nil
	}
	if fault.ClassOf(err) == fault.Input && err != nil {
		return known{wrong: refused("image_missing", reason(err), "correct the path, or remove the row")}, nil
	}
	if err != nil {
		return known{}, err
	}
	if s.bytes += int64(len(data)); s.bytes > maxBytes {
		return known{}, fault.New(fault.Input, "read images", s.name(), fmt.Sprintf("they have over %d GiB in all; make them smaller, or use fewer", maxBytes>>30))
	}
	sum := sha256.Sum256(data)
	return known{sum: sum}, s.keep(ctx, hex.EncodeToString(sum[:]), data)
}

func (s *Source) name() string {
	if s.Dataset.Name != "" {
		return s.Dataset.Name
	}
	return s.Dataset.URI
}

// read returns the content of an image and its name for people.
func (s *Source) read(ctx context.Context, uri string) (data []byte, name string, err error) {
	if strings.HasPrefix(uri, "data:") {
		made, err := image.Of(uri)
		if err != nil {
			return nil, "", refused("image_invalid", err.Error(), "write it again")
		}
		data, _ := made.Data()
		return data, "", nil
	}
	if sum, ok := strings.CutPrefix(uri, activities.UploadScheme); ok && isSum(sum) && s.Store != nil {
		return s.stored(ctx, training.UploadKey(s.Tenant, sum), "the uploaded image")
	}
	if isSum(uri) && s.Store != nil { // of rows that were prepared before
		return s.stored(ctx, training.ImageKey(s.Tenant, uri), "the image "+uri)
	}
	at, err := s.locate(uri)
	if err != nil {
		return nil, "", err
	}
	return imagefile.Read(ctx, s.Documents, s.Tenant, at)
}

func isSum(text string) bool {
	return len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}

func (s *Source) stored(ctx context.Context, key, name string) ([]byte, string, error) {
	from, _, err := s.Store.Get(ctx, key)
	if errors.Is(err, object.ErrNotFound) {
		return nil, "", refused("image_missing", name+" is not stored for this tenant", "upload the dataset again")
	}
	if err != nil {
		return nil, "", err
	}
	defer from.Close()
	data, err := imagefile.Limited(from, name)
	return data, name, err
}

// locate is the URI of an image: a relative path begins at the folder of the dataset.
func (s *Source) locate(uri string) (string, error) {
	if strings.Contains(uri, "://") || filepath.IsAbs(uri) {
		return uri, nil
	}
	base := s.Dataset.URI
	if len(s.Dataset.Rows) > 0 || base == "" || activities.IsUpload(base) {
		return "", refused("image_missing", "a path begins at the folder of the dataset's file, and these rows are not read from a file",
			"use a data URI, s3:// or https://, or start the training by `cogflow train`, which uploads the images")
	}
	if !strings.Contains(base, "://") {
		return filepath.Join(filepath.Dir(base), filepath.FromSlash(uri)), nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", fault.Wrap(fault.Input, "read images", base, err)
	}
	u.Path, u.RawPath = path.Join(path.Dir(u.Path), uri), ""
	return u.String(), nil
}

// check refuses what the trainer would refuse.
func check(data []byte, name string) error {
	const fix = "replace it by a still image, PNG, JPEG, GIF or WebP"
	err := image.Check(data)
	if err == nil && image.Animated(data) {
		err = errors.New("the image is animated")
	}
	if err == nil {
		return nil
	}
	if name != "" {
		name += ": "
	}
	return refused("image_invalid", name+err.Error(), fix)
}

func refused(code, reason, fix string) *rows.RowError {
	return &rows.RowError{Code: code, Reason: reason, Fix: fix}
}

// reason is a fault for a person who knows the row.
func reason(err error) string {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err.Error()
	}
	text := f.Reason
	if f.Err != nil {
		if text != "" {
			text += ": "
		}
		text += f.Err.Error()
	}
	return f.Subject + ": " + text
}

// keep stores an image. Equal images have one key.
func (s *Source) keep(ctx context.Context, sum string, data []byte) error {
	if s.Store == nil {
		return nil
	}
	key := training.ImageKey(s.Tenant, sum)
	there, err := s.Store.Stat(ctx, key)
	if err == nil && there.Size == int64(len(data)) {
		return nil
	}
	if err != nil && !errors.Is(err, object.ErrNotFound) && !errors.Is(err, object.ErrCorrupt) {
		return err
	}
	_, err = s.Store.Put(ctx, key, bytes.NewReader(data))
	return err
}
