package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/training"
)

// downloaded is what `adapters download --json` prints.
type downloaded struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Path    string `json:"path"`
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
}

// published are files of the store on their way here.
type published struct {
	op      string // "download adapter"
	name    string
	version int
	prefix  string // in the store
	files   []training.CheckpointFile
	under   string            // directory of the files in what is made; empty = the top
	beside  []published       // that lie in the same directory
	notes   map[string][]byte // files that are written and not fetched, by name
}

// download makes the directory to from the files of w, all or nothing.
func download(ctx context.Context, a *App, w published, to string) (downloaded, error) {
	to, err := filepath.Abs(to)
	if err != nil {
		return downloaded{}, err
	}
	done := downloaded{Name: w.name, Version: w.version, Path: to}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return done, fault.New(fault.Input, w.op, to, "it exists already, and nothing is overwritten; name another with --to")
	}
	if len(w.files) == 0 {
		return done, fault.New(fault.Input, w.op, adapterRef(w.name, w.version), "its manifest names no files")
	}
	store, err := a.store(ctx)
	if err != nil {
		return done, err
	}
	// A sibling, so that the rename at the end stays on one file system.
	temporary, err := os.MkdirTemp(filepath.Dir(to), "."+filepath.Base(to)+"-")
	if err != nil {
		return done, fault.Disk(w.op, to, err)
	}
	defer os.RemoveAll(temporary)
	root, err := os.OpenRoot(temporary)
	if err != nil {
		return done, fault.Disk(w.op, to, err)
	}
	defer root.Close()
	v := a.view()
	defer v.End()
	for _, part := range append([]published{w}, w.beside...) {
		for _, f := range part.files {
			if err := fetch(ctx, v, store, root, part, f); err != nil {
				return done, err
			}
			done.Files++
			done.Bytes += f.Size
		}
	}
	for name, text := range w.notes {
		if err := root.WriteFile(name, text, 0o644); err != nil {
			return done, fault.Disk(w.op, name, err)
		}
		done.Files++
		done.Bytes += int64(len(text))
	}
	if err := os.Chmod(temporary, 0o755); err != nil { // model servers of other users read it
		return done, fault.Disk(w.op, to, err)
	}
	// Should somebody have made it meanwhile, this fails, unless it is empty.
	return done, fault.Disk(w.op, to, os.Rename(temporary, to))
}

// fetch copies one file of the manifest below root and checks it.
func fetch(ctx context.Context, v View, store blob.Store, root *os.Root, w published, f training.CheckpointFile) error {
	bad := func(reason string) error { return fault.New(fault.Input, w.op, w.prefix+f.Name, reason) }
	local := filepath.Join(w.under, filepath.FromSlash(f.Name))
	if !filepath.IsLocal(local) {
		return bad("the manifest names a file outside the directory; nothing of it is kept")
	}
	if err := root.MkdirAll(filepath.Dir(local), 0o755); err != nil {
		return fault.Disk(w.op, f.Name, err)
	}
	from, _, err := store.Get(ctx, w.prefix+f.Name)
	if err != nil {
		return fault.Wrap(fault.Input, w.op, w.prefix+f.Name, err)
	}
	defer from.Close()
	file, err := root.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fault.Disk(w.op, f.Name, err)
	}
	defer file.Close()
	sum := sha256.New()
	// One byte more than there should be shows a file that is too long.
	limited := io.LimitReader(moving(ctx, v, from, "fetch "+baseName(f.Name), f.Size), f.Size+1)
	n, err := io.Copy(io.MultiWriter(file, sum), limited)
	if err != nil {
		return moved(w.op, f.Name, err)
	}
	if n != f.Size || hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return bad("its content is not what the manifest says; nothing was kept")
	}
	if err := file.Sync(); err != nil {
		return fault.Disk(w.op, f.Name, err)
	}
	return fault.Disk(w.op, f.Name, file.Close())
}
