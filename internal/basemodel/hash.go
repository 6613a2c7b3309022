package basemodel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// hash identifies the content of a folder: the SHA-256 of the names and SHA-256s of its
// files, in their order. It is cached until a file's size or time changes.
func (m *Models) hash(ctx context.Context, f *folder) (string, error) {
	select {
	case m.hashing <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-m.hashing }()
	look := f.look()
	m.mu.Lock()
	known := m.hashes[f.path]
	m.mu.Unlock()
	if known.look == look {
		return known.revision, nil
	}
	all := sha256.New()
	for _, x := range f.files {
		sum, err := f.sum(ctx, x.name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(all, "%s  %s\n", sum, x.name)
	}
	revision := hex.EncodeToString(all.Sum(nil))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hashes[f.path] = hashed{look, revision}
	return revision, nil
}

// look describes the files without reading them.
func (f *folder) look() string {
	var b strings.Builder
	for _, x := range f.files {
		fmt.Fprintf(&b, "%s %d %d\n", x.name, x.info.Size(), x.info.ModTime().UnixNano())
	}
	return b.String()
}

func (f *folder) sum(ctx context.Context, name string) (string, error) {
	r, err := f.root.Open(filepath.Join(f.rel, name))
	if err != nil {
		return "", f.broken(name, err)
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, &whileWanted{ctx, r}); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", f.broken(name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// whileWanted ends a long read when its caller has gone.
type whileWanted struct {
	ctx context.Context //nolint:containedctx // a reader cannot be cancelled otherwise
	r   io.Reader
}

func (w *whileWanted) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}
