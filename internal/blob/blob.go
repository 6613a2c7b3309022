// Package blob stores objects under keys: in a folder or in S3, named by one URL. Every
// implementation passes the suite in blobtest. Only its check (check.go) knows the
// layout of objects. It knows no workflow or model.
package blob

import (
	"context"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
)

// Store is the object store that activities use. Keys are slash-separated, tenant first;
// see CheckKey. Missing objects, failed conditions and damaged content are reported with
// the errors of package object; everything else is a fault.
type Store interface {
	// Put writes or overwrites an object.
	Put(ctx context.Context, key string, r io.Reader) (object.Info, error)
	// PutContent is Put of content that is known before it is read, so no store needs a copy of it.
	// Other content is refused with object.ErrMismatch, and never visible.
	PutContent(ctx context.Context, key string, c object.Content) (object.Info, error)
	// Create writes an object durably, or returns object.ErrExists and writes nothing.
	Create(ctx context.Context, key string, r io.Reader) (object.Info, error)
	// Replace overwrites durably the object whose content still has the given SHA-256, or
	// returns object.ErrChanged (object.ErrNotFound if it is gone). An empty SHA-256 means
	// an object for which Stat returns object.ErrCorrupt.
	Replace(ctx context.Context, key, sha256 string, r io.Reader) (object.Info, error)
	// Get opens an object. The reader returns object.ErrCorrupt instead of
	// io.EOF when the bytes do not have the stored SHA-256.
	Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error)
	// Part opens length bytes of an object from an offset on. They must lie within the object, and are
	// not compared with its SHA-256.
	Part(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
	// Stat describes an object without reading it, or returns object.ErrCorrupt when its
	// size alone shows that it is damaged.
	Stat(ctx context.Context, key string) (object.Info, error)
	// List yields the objects under a prefix in the order of their keys until yield returns
	// an error, which it returns. A damaged object has no SHA256.
	List(ctx context.Context, prefix string, yield func(object.Info) error) error
	// Owners lists the first elements of all keys that have more than one, without listing the
	// keys. One of them may have no object any more.
	Owners(ctx context.Context) ([]string, error)
	// Delete removes an object; a missing one is not an error.
	Delete(ctx context.Context, key string) error
	// DeleteIf removes the object whose content still has the given SHA-256, or returns
	// object.ErrChanged and removes nothing; a missing one is not an error.
	// errors.ErrUnsupported: the store cannot check and delete in one step; nothing was
	// changed.
	DeleteIf(ctx context.Context, key, sha256 string) error
}

// Open opens the store of rawURL: file:///absolute/path, whose directory is made if it is
// missing, or s3://bucket/prefix with the parameters region, endpoint and path_style;
// credentials come from the environment.
func Open(ctx context.Context, rawURL string) (Store, error) {
	if strings.HasPrefix(rawURL, "s3:") {
		return openS3(ctx, rawURL)
	}
	bad := func(reason string) error {
		return fault.New(fault.Input, "open object store", rawURL, reason)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, bad("not a URL; must be file:///absolute/path or s3://bucket/prefix")
	}
	switch {
	case u.Scheme != "file":
		return nil, bad("must be file:///absolute/path or s3://bucket/prefix")
	case u.Host != "" && u.Host != "localhost", u.User != nil, u.RawQuery != "", u.Fragment != "", u.Opaque != "":
		return nil, bad("must be file:///absolute/path, with three slashes and nothing after the path")
	case !strings.HasPrefix(u.Path, "/") || strings.ContainsRune(u.Path, 0):
		return nil, bad("the path must be absolute")
	}
	return openFile(ctx, filepath.Clean(u.Path))
}
