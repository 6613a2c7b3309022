package train

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

// The trainer runs in a sandbox, the worker does not. Whatever the trainer can write may hold
// links that lead out of its directory, FIFOs that nobody ever writes to, files without end, and
// may change while it is read. So the worker reaches it only through trainerFiles: below one
// directory, through no link, regular files only, bounded in size and number.

// Bounds of what a trainer may leave. They are far above what the largest models need.
const (
	maxTrainerEntries = 10_000  // files and directories of a checkpoint or an output
	maxTrainerDepth   = 16      // directories in each other
	maxTrainerBytes   = 4 << 40 // of all files of a checkpoint or an output
	maxManifestBytes  = 16 << 20
	maxRowsBytes      = 1 << 30 // of one evaluation
	maxKeptEvents     = 1 << 30 // bytes of the events beside a checkpoint
)

// trainerFiles is a directory that the trainer can write.
type trainerFiles struct{ root *os.Root }

// openTrainerFiles opens a directory whose own path only the worker can change.
func openTrainerFiles(dir string) (trainerFiles, error) {
	root, err := os.OpenRoot(dir)
	return trainerFiles{root}, ofTrainer(dir, err)
}

func (t trainerFiles) Close() error { return t.root.Close() }

// ofTrainer classifies an error of what the trainer should have written: that it is not there
// is a fault of the trainer, which nobody mends by waiting.
func ofTrainer(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return &fault.Error{
			Op: "read file of the trainer", Subject: name, Reason: "the trainer did not write it", Err: fmt.Errorf("%w: %w", object.ErrCorrupt, err),
		}
	}
	return fault.Disk("read file of the trainer", name, err)
}

// refused is what the worker does not touch.
func refused(name, reason string) error {
	return &fault.Error{Class: fault.Input, Op: "read file of the trainer", Subject: name, Reason: reason, Err: object.ErrCorrupt}
}

// look checks a path link by link, and that what it names is of this kind: 0 = a regular file,
// else fs.ModeDir. The root alone keeps what changes afterwards from leading out of it.
func (t trainerFiles) look(name string, kind fs.FileMode) error {
	if !fs.ValidPath(name) || name == "." || strings.ContainsRune(name, '\\') {
		return refused(name, "it must be a path below the directory of the trainer")
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
			return ofTrainer(t.path(part), err)
		case info.Mode().Type() != want && want == fs.ModeDir:
			return refused(t.path(part), "it is not a directory")
		case info.Mode().Type() != want:
			return refused(t.path(part), "it is not a regular file")
		}
	}
	return nil
}

func (t trainerFiles) path(name string) string { return path.Join(t.root.Name(), name) }

// below opens a directory in it.
func (t trainerFiles) below(name string) (trainerFiles, error) {
	if err := t.look(name, fs.ModeDir); err != nil {
		return trainerFiles{}, err
	}
	root, err := t.root.OpenRoot(name)
	return trainerFiles{root}, ofTrainer(t.path(name), err)
}

// open opens a regular file. What is read of it ends at the size that it has now.
func (t trainerFiles) open(name string, limit int64) (*trainerFile, error) {
	if err := t.look(name, 0); err != nil {
		return nil, err
	}
	file, err := t.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, ofTrainer(t.path(name), err)
	}
	info, err := file.Stat() // it may have been exchanged since
	switch {
	case err != nil:
		err = fault.Disk("read file of the trainer", t.path(name), err)
	case !info.Mode().IsRegular():
		err = refused(t.path(name), "it is not a regular file")
	case info.Size() > limit:
		err = refused(t.path(name), fmt.Sprintf("it has %d bytes, at most %d are read", info.Size(), limit))
	case hollow(info):
		err = refused(t.path(name), "it is a sparse file, which is far larger than its content")
	}
	if err != nil {
		_ = file.Close() // nothing was written; the reason is the other error
		return nil, err
	}
	return &trainerFile{Reader: io.LimitReader(file, info.Size()), Closer: file, size: info.Size()}, nil
}

type trainerFile struct {
	io.Reader
	io.Closer
	size int64
}

// hollow reports whether a large file takes next to no room on the disk: to store it would
// write what the trainer never wrote. Compression by the file system gets not nearly as far.
func hollow(info fs.FileInfo) bool {
	const large, factor, block = 1 << 30, 64, 512
	on, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Size() > large && on.Blocks*block < info.Size()/factor
}

// read reads a file whole.
func (t trainerFiles) read(name string, limit int64) ([]byte, error) {
	file, err := t.open(name, limit)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	return data, fault.Disk("read file of the trainer", t.path(name), err)
}

// json decodes a small file.
func (t trainerFiles) json(name string, v any) error {
	data, err := t.read(name, maxManifestBytes)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &fault.Error{
			Op: "read file of the trainer", Subject: t.path(name), Reason: "invalid JSON", Err: fmt.Errorf("%w: %w", object.ErrCorrupt, err),
		}
	}
	return nil
}

// write writes a new file of ours among those of the trainer, in place of any that has its name.
func (t trainerFiles) write(name string, data []byte) error {
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

// names lists all regular files, sorted. Anything else but directories is refused.
func (t trainerFiles) names() ([]string, error) {
	var out []string
	left := maxTrainerEntries
	err := t.list(".", &left, &out)
	slices.Sort(out)
	return out, err
}

func (t trainerFiles) list(dir string, left *int, out *[]string) error {
	d, err := t.root.OpenFile(dir, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ofTrainer(t.path(dir), err)
	}
	entries, err := d.ReadDir(*left + 1)
	if err = errors.Join(err, d.Close()); err != nil && !errors.Is(err, io.EOF) {
		return ofTrainer(t.path(dir), err)
	}
	if *left -= len(entries); *left < 0 || strings.Count(dir, "/") > maxTrainerDepth {
		return refused(t.path(dir), fmt.Sprintf("more than %d files, or more than %d directories in each other", maxTrainerEntries, maxTrainerDepth))
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
			return refused(t.path(name), "it is not a regular file")
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
