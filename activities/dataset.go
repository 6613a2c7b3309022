package activities

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// Documents opens the files of datasets that inputs name.
type Documents interface {
	// Open returns the local file, fetched if it is remote; closing it releases
	// whatever was fetched.
	Open(ctx context.Context, t tenant.ID, uri string) (file *os.File, name string, err error)
}

// Dataset is a URI of rows, or the rows themselves.
type Dataset struct {
	URI  string            `json:"uri,omitempty"`  // path, file://, s3://, https://, dataset:<sha256> or upload://<sha256>/<name> of an upload
	Name string            `json:"name,omitempty"` // of the uploaded file, for messages; empty = URI
	Rows []json.RawMessage `json:"rows,omitempty"` // the rows themselves, at most 256 KiB
}

// UploadScheme is the URI scheme of datasets that `cogflow` has uploaded.
const UploadScheme = "dataset:"

// FileScheme is the URI scheme of files that were uploaded over HTTP: upload://SHA256/NAME.
const FileScheme = "upload://"

// IsUpload reports whether a URI names the content of an upload.
func IsUpload(uri string) bool {
	return strings.HasPrefix(uri, UploadScheme) || strings.HasPrefix(uri, FileScheme)
}

// OpenDataset opens a dataset. It can be read several times.
func OpenDataset(ctx context.Context, s Store, documents Documents, t tenant.ID, d Dataset) (open rows.Source, name string, closeAll func(), err error) {
	nothing := func() {}
	if len(d.Rows) > 0 {
		rows, err := json.Marshal(d.Rows)
		if err != nil {
			return nil, "", nothing, fault.Wrap(fault.Input, "read dataset", "rows", err)
		}
		return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(rows)), nil }, "rows of the input", nothing, nil
	}
	sum, ok := strings.CutPrefix(d.URI, UploadScheme)
	if rest, uploaded := strings.CutPrefix(d.URI, FileScheme); uploaded { // what an upload answers for any file
		var name string
		sum, name, ok = strings.Cut(rest, "/")
		d.Name = cmp.Or(d.Name, name)
	}
	if ok {
		open, err := openUpload(ctx, s, t, d.URI, sum)
		return open, cmp.Or(d.Name, d.URI), nothing, err
	}
	file, name, err := documents.Open(ctx, t, d.URI)
	if err != nil {
		return nil, "", nothing, OfDataset(err)
	}
	open = func() (io.ReadCloser, error) {
		_, err := file.Seek(0, io.SeekStart)
		return keptOpen{file}, fault.Disk("read dataset", name, err)
	}
	return open, name, func() { _ = file.Close() }, nil
}

// OfDataset rewrites the fault of a file that could not be opened: the code that opens
// files speaks of videos.
func OfDataset(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	about := *f
	about.Op, about.Reason = "read dataset", strings.ReplaceAll(f.Reason, "video file", "file")
	return &about
}

// openUpload opens a dataset that is in the store already.
func openUpload(ctx context.Context, s Store, t tenant.ID, uri, sum string) (rows.Source, error) {
	if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return nil, fault.New(fault.Input, "read dataset", uri, "must be dataset: and 64 hexadecimal digits, or upload://SHA256/NAME")
	}
	key := training.UploadKey(t, sum)
	if _, err := s.Stat(ctx, key); errors.Is(err, object.ErrNotFound) {
		key = training.DatasetKey(t, sum)
		if _, err := s.Stat(ctx, key); errors.Is(err, object.ErrNotFound) {
			return nil, fault.New(fault.Input, "read dataset", uri, "nothing was uploaded under this hash for tenant "+string(t))
		}
	}
	return func() (io.ReadCloser, error) { r, _, err := s.Get(ctx, key); return r, err }, nil
}
