package train

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/images"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli/transfer"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/rows/rename"
	"github.com/cogniverse/cogflow/training/table"
)

// localImages checks the images that the rows of a local file name. Remote images are left to
// the worker that trains on them.
func localImages(ctx context.Context, file string) rows.Images {
	if file == "" {
		return nil
	}
	source := &images.Source{Documents: transfer.Beside(""), Dataset: activities.Dataset{URI: file}, Skip: remoteImage}
	return source.Images(ctx)
}

// remoteImage reports whether a worker fetches an image.
func remoteImage(uri string) bool {
	return strings.Contains(uri, "://") && !strings.HasPrefix(uri, "file://") || activities.IsUpload(uri)
}

// upload uploads a local dataset and the image files that its rows name, and returns its URI. In
// what is uploaded the images have the names of their uploads.
func (a app) upload(ctx context.Context, tenant, file string) (uri string, err error) {
	if some, err := mentions(file, "image"); err != nil || !some {
		return transfer.Upload(ctx, a.App, tenant, file)
	}
	made, err := os.CreateTemp("", "dataset-*.jsonl")
	if err != nil {
		return "", fault.Disk("write rows of", file, err)
	}
	defer func() { _ = os.Remove(made.Name()) }() // in the folder for temporary files
	folder, known := transfer.Beside(filepath.Dir(file)), map[string]string{}
	open := func() (rows.Table, error) { return table.Open(file, localRows(file), dataset.DefaultMaxRowBytes) }
	changed, err := rename.Images(file, open, made, func(image string) (string, error) {
		if remoteImage(image) || strings.HasPrefix(image, "data:") {
			return image, nil
		}
		if known[image] == "" {
			uploaded, err := transfer.Upload(ctx, a.App, tenant, folder.Path(image))
			if err != nil {
				return "", err
			}
			known[image] = uploaded
		}
		return known[image], nil
	})
	if closed := made.Close(); err == nil {
		err = fault.Disk("write rows of", made.Name(), closed)
	}
	if err != nil {
		return "", err
	}
	if changed > 0 {
		file = made.Name()
	}
	return transfer.Upload(ctx, a.App, tenant, file)
}

// mentions reports whether a file has a text. One that cannot be read is reported by whoever
// uploads it.
func mentions(file, text string) (bool, error) {
	in, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer in.Close()
	from := bufio.NewReaderSize(in, rows.ReadAhead)
	for {
		part, err := from.Peek(rows.ReadAhead)
		if bytes.Contains(part, []byte(text)) {
			return true, nil
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if _, err := from.Discard(len(part) - len(text)); err != nil {
			return false, err
		}
	}
}
