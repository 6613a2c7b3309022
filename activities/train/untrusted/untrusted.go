// Package untrusted reads what a trainer wrote. The trainer runs in a sandbox, the worker
// does not: whatever the trainer can write may hold links that lead out of its directory,
// FIFOs without a writer, files without end, and may change while it is read. So the
// worker reaches it only through Dir: below one directory, through no link, regular files
// only, bounded in size and number. It knows nothing of checkpoints or adapters.
package untrusted

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
)

// Bounds of what a trainer may leave. They are far above what the largest models need.
const (
	maxEntries       = 10_000  // files and directories of a checkpoint or an output
	MaxDepth         = 16      // directories in each other
	MaxBytes         = 4 << 40 // of all files of a checkpoint or an output
	maxManifestBytes = 16 << 20
)

// Dir is a directory that the trainer can write.
type Dir struct{ root *os.Root }

// Open opens a directory whose own path only the worker can change.
func Open(dir string) (Dir, error) {
	root, err := os.OpenRoot(dir)
	return Dir{root}, Classify(dir, err)
}

// Close closes the directory.
func (t Dir) Close() error { return t.root.Close() }

// Classify classifies an error of what the trainer should have written: that it is not there
// is a fault of the trainer, which waiting does not fix.
func Classify(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return &fault.Error{
			Op: "read file of the trainer", Subject: name, Reason: "the trainer did not write it", Err: fmt.Errorf("%w: %w", object.ErrCorrupt, err),
		}
	}
	return fault.Disk("read file of the trainer", name, err)
}

// Refuse is what the worker does not touch.
func Refuse(name, reason string) error {
	return &fault.Error{Class: fault.Input, Op: "read file of the trainer", Subject: name, Reason: reason, Err: object.ErrCorrupt}
}

// look checks a path link by link, and that what it names is of this kind: 0 = a regular file,
// else fs.ModeDir. The root alone keeps what changes afterwards from leading out of it.
func (t Dir) look(name string, kind fs.FileMode) error {
	if !fs.ValidPath(name) || name == "." || strings.ContainsRune(name, '\\') {
		return Refuse(name, "it must be a path below the directory of the trainer")
	}
	for i, r := range name + "/" {
		if r != '/' {
			continue
		}
		part := name[:i]
		info, err := t.root.Lstat(part)
		want := fs.ModeDir
		if i == len(name) {
			want = kind
		}
		switch {
		case err != nil:
			return Classify(t.Path(part), err)
		case info.Mode().Type() != want && want == fs.ModeDir:
			return Refuse(t.Path(part), "it is not a directory")
		case info.Mode().Type() != want:
			return Refuse(t.Path(part), "it is not a regular file")
		}
	}
	return nil
}

// Path is the path of a file in it, for messages.
func (t Dir) Path(name string) string { return path.Join(t.root.Name(), name) }

// Below opens a directory in it.
func (t Dir) Below(name string) (Dir, error) {
	if err := t.look(name, fs.ModeDir); err != nil {
		return Dir{}, err
	}
	root, err := t.root.OpenRoot(name)
	return Dir{root}, Classify(t.Path(name), err)
}

// Open opens a regular file. What is read of it ends at the size that it has now.
func (t Dir) Open(name string, limit int64) (*File, error) {
	if err := t.look(name, 0); err != nil {
		return nil, err
	}
	file, err := t.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, Classify(t.Path(name), err)
	}
	info, err := file.Stat() // it may have been exchanged since
	switch {
	case err != nil:
		err = fault.Disk("read file of the trainer", t.Path(name), err)
	case !info.Mode().IsRegular():
		err = Refuse(t.Path(name), "it is not a regular file")
	case info.Size() > limit:
		err = Refuse(t.Path(name), fmt.Sprintf("it has %d bytes, at most %d are read", info.Size(), limit))
	case hollow(info):
		err = Refuse(t.Path(name), "it is a sparse file, which is far larger than its content")
	}
	if err != nil {
		_ = file.Close() // nothing was written; the reason is the other error
		return nil, err
	}
	return &File{Reader: io.LimitReader(file, info.Size()), Closer: file, Size: info.Size()}, nil
}

// File is a regular file that is open.
type File struct {
	io.Reader
	io.Closer
	Size int64 // bytes that are read at most
}

// hollow reports whether a large file takes next to no room on the disk: to store it would
// write what the trainer never wrote. Compression by the file system gets not nearly as far.
func hollow(info fs.FileInfo) bool {
	const large, factor, block = 1 << 30, 64, 512
	on, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Size() > large && on.Blocks*block < info.Size()/factor
}

// Read reads a file whole.
func (t Dir) Read(name string, limit int64) ([]byte, error) {
	file, err := t.Open(name, limit)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	return data, fault.Disk("read file of the trainer", t.Path(name), err)
}

// JSON decodes a small file.
func (t Dir) JSON(name string, v any) error {
	data, err := t.Read(name, maxManifestBytes)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &fault.Error{
			Op: "read file of the trainer", Subject: t.Path(name), Reason: "invalid JSON", Err: fmt.Errorf("%w: %w", object.ErrCorrupt, err),
		}
	}
	return nil
}

// Write writes a new file of ours among those of the trainer, in place of any that has its name.
func (t Dir) Write(name string, data []byte) error {
	if err := t.root.RemoveAll(name); err != nil {
		return err
	}
	file, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// Names lists all regular files, sorted. Anything else but directories is Refuse.
func (t Dir) Names() ([]string, error) {
	var out []string
	left := maxEntries
	err := t.list(".", &left, &out)
	slices.Sort(out)
	return out, err
}

func (t Dir) list(dir string, left *int, out *[]string) error {
	d, err := t.root.OpenFile(dir, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Classify(t.Path(dir), err)
	}
	entries, err := d.ReadDir(*left + 1)
	if err = errors.Join(err, d.Close()); err != nil && !errors.Is(err, io.EOF) {
		return Classify(t.Path(dir), err)
	}
	if *left -= len(entries); *left < 0 || strings.Count(dir, "/") > MaxDepth {
		return Refuse(t.Path(dir), fmt.Sprintf("more than %d files, or more than %d directories in each other", maxEntries, MaxDepth))
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			if err := t.list(name, left, out); err != nil {
				return err
			}
		case e.Type().IsRegular():
			*out = append(*out, name)
		default:
			return Refuse(t.Path(name), "it is not a regular file")
		}
	}
	return nil
}

// RemoveTree is os.RemoveAll for what a trainer may have written: it also removes directories
// that their owner, the user of this process, may not enter or change.
func RemoveTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if info, looked := os.Lstat(dir); looked != nil || !info.IsDir() || os.Chmod(dir, 0o700) != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	if err = errors.Join(unlock(root, "."), root.Close()); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// unlock lets the owner of all directories below change them.
func unlock(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	entries, err := d.ReadDir(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !e.IsDir() {
			continue
		}
		if err := root.Chmod(name, 0o700); err != nil {
			return err
		}
		if err := unlock(root, name); err != nil {
			return err
		}
	}
	return nil
}
