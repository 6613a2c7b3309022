package transfer

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
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/training"
)

// Downloaded is the output of `adapters download --json` and `programs export --json`.
type Downloaded struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Path    string `json:"path"`
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
}

// Published are files of the store to download.
type Published struct {
	Op      string // operation in errors, such as "download adapter"
	Name    string
	Version int
	Prefix  string // in the store
	Files   []training.CheckpointFile
	Under   string            // subdirectory of the files; empty = the top
	Beside  []Published       // further files for the same directory
	Notes   map[string][]byte // further files by name, not from the store
}

// Download creates the directory to with all files of w. After an error there is no directory.
func Download(ctx context.Context, a *cli.App, w Published, to string) (Downloaded, error) {
	to, err := filepath.Abs(to)
	if err != nil {
		return Downloaded{}, err
	}
	done := Downloaded{Name: w.Name, Version: w.Version, Path: to}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return done, fault.New(fault.Input, w.Op, to, "it exists and is never overwritten; choose another directory with --to")
	}
	if len(w.Files) == 0 {
		return done, fault.New(fault.Input, w.Op, cli.Ref(w.Name, w.Version), "its manifest lists no files")
	}
	store, err := a.Store(ctx)
	if err != nil {
		return done, err
	}
	// A sibling, so that the rename at the end stays on one file system.
	temporary, err := os.MkdirTemp(filepath.Dir(to), "."+filepath.Base(to)+"-")
	if err != nil {
		return done, fault.Disk(w.Op, to, err)
	}
	defer os.RemoveAll(temporary)
	root, err := os.OpenRoot(temporary)
	if err != nil {
		return done, fault.Disk(w.Op, to, err)
	}
	defer root.Close()
	v := a.View()
	defer v.End()
	for _, part := range append([]Published{w}, w.Beside...) {
		for _, f := range part.Files {
			if err := fetch(ctx, v, store, root, part, f); err != nil {
				return done, err
			}
			done.Files++
			done.Bytes += f.Size
		}
	}
	for name, text := range w.Notes {
		if err := root.WriteFile(name, text, 0o644); err != nil {
			return done, fault.Disk(w.Op, name, err)
		}
		done.Files++
		done.Bytes += int64(len(text))
	}
	if err := os.Chmod(temporary, 0o755); err != nil { // model servers run by other users read it
		return done, fault.Disk(w.Op, to, err)
	}
	// This fails if the directory was created meanwhile and is not empty.
	return done, fault.Disk(w.Op, to, os.Rename(temporary, to))
}

// fetch copies one file of the manifest into root, and checks its size and SHA-256.
func fetch(ctx context.Context, v cli.View, store blob.Store, root *os.Root, w Published, f training.CheckpointFile) error {
	bad := func(reason string) error { return fault.New(fault.Input, w.Op, w.Prefix+f.Name, reason) }
	local := filepath.Join(w.Under, filepath.FromSlash(f.Name))
	if !filepath.IsLocal(local) {
		return bad("the manifest lists a file outside the directory; nothing was kept")
	}
	if err := root.MkdirAll(filepath.Dir(local), 0o755); err != nil {
		return fault.Disk(w.Op, f.Name, err)
	}
	from, _, err := store.Get(ctx, w.Prefix+f.Name)
	if err != nil {
		return fault.Wrap(fault.Input, w.Op, w.Prefix+f.Name, err)
	}
	defer from.Close()
	file, err := root.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fault.Disk(w.Op, f.Name, err)
	}
	defer file.Close()
	sum := sha256.New()
	// One byte beyond the size detects a file that is too long.
	limited := io.LimitReader(withProgress(ctx, v, from, "fetch "+format.BaseName(f.Name), f.Size), f.Size+1)
	n, err := io.Copy(io.MultiWriter(file, sum), limited)
	if err != nil {
		return withClass(w.Op, f.Name, err)
	}
	if n != f.Size || hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return bad("its content does not match the manifest; nothing was kept")
	}
	if err := file.Sync(); err != nil {
		return fault.Disk(w.Op, f.Name, err)
	}
	return fault.Disk(w.Op, f.Name, file.Close())
}
