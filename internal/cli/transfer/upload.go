// Package transfer moves files between this machine and the object store for the features:
// it uploads datasets and programs, and downloads adapters and programs, all checked by
// SHA-256. It does not depend on workflows, and does not interpret the files.
package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// Remote reports whether a worker fetches a dataset, because it is not a local file.
func Remote(dataset string) bool {
	return strings.Contains(dataset, "://") || strings.HasPrefix(dataset, activities.UploadScheme)
}

// Upload stores a local file under the hash of its content and returns its URI. A stored
// file is not sent again.
func Upload(ctx context.Context, a *cli.App, t, name string) (uri string, err error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fault.Wrap(fault.Input, "read dataset", name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", fault.New(fault.Input, "read dataset", name, "must be a regular file of JSON lines or one JSON array")
	}
	v := a.View()
	defer v.End()
	sum := sha256.New()
	if _, err := io.Copy(sum, withProgress(ctx, v, file, "read "+format.BaseName(name), info.Size())); err != nil {
		return "", withClass("read dataset", name, err)
	}
	id := hex.EncodeToString(sum.Sum(nil))
	store, err := a.Store(ctx)
	if err != nil {
		return "", err
	}
	key := training.UploadKey(tenant.ID(t), id)
	switch there, err := store.Stat(ctx, key); {
	case err == nil && there.Size == info.Size():
		return activities.UploadScheme + id, nil
	case err != nil && !errors.Is(err, object.ErrNotFound) && !errors.Is(err, object.ErrCorrupt):
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", fault.Wrap(fault.Input, "read dataset", name, err)
	}
	checked := &hashChecker{r: withProgress(ctx, v, file, "upload "+format.BaseName(name), info.Size()), sum: sha256.New(), want: id, name: name}
	if _, err := store.Put(ctx, key, checked); err != nil {
		return "", withClass("upload dataset", name, err)
	}
	return activities.UploadScheme + id, nil
}

// hashChecker reads r and fails at its end if the content does not match the hash, so that
// nothing is stored under a wrong hash.
type hashChecker struct {
	r          io.Reader
	sum        hash.Hash
	want, name string
}

func (s *hashChecker) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(s.sum.Sum(nil)) != s.want {
		return n, fault.New(fault.Input, "read", s.name, "it changed while it was read; start again when no program writes to it")
	}
	return n, err
}
