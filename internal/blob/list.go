package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/object"
)

// List holds at most two windows of names per directory level, however many objects there
// are. A directory with more names is read once per window: slower, but with bounded
// memory.
func (s *File) List(ctx context.Context, prefix string, yield func(object.Info) error) error {
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	dir, _ := path.Split(prefix)
	return s.walk(ctx, strings.TrimSuffix(dir, "/"), prefix, yield)
}

// Owners lists the directories at the top.
func (s *File) Owners(ctx context.Context) (out []string, err error) {
	err = s.eachName(ctx, "", func(e fs.DirEntry) error {
		if e.IsDir() && e.Name() != lostFound && CheckKey(e.Name()) == nil {
			out = append(out, e.Name())
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

// lostFound is at the top of a file system, for its tools.
const lostFound = "lost+found"

// walk yields the objects below dir. Names are in the order of keys: a directory sorts as
// if its name ended in a slash, so that "a-b" comes before "a/b".
func (s *File) walk(ctx context.Context, dir, prefix string, yield func(object.Info) error) error {
	for after := ""; ; {
		names, more, err := s.names(ctx, dir, prefix, after)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := s.visit(ctx, dir, name, yield); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		after = names[len(names)-1]
	}
}

func (s *File) visit(ctx context.Context, dir, name string, yield func(object.Info) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	key := path.Join(dir, name)
	if strings.HasSuffix(name, "/") {
		return s.walk(ctx, key, "", yield)
	}
	info, err := s.Stat(ctx, key)
	switch {
	case errors.Is(err, object.ErrNotFound):
		return nil // deleted meanwhile, or not a regular file
	case errors.Is(err, object.ErrCorrupt):
		info = object.Info{Key: key}
	case err != nil:
		return err
	}
	return yield(info)
}

// names returns the next names of dir, at most a window, in the order of keys, that can
// lead to the prefix.
func (s *File) names(ctx context.Context, dir, prefix, after string) (names []string, more bool, err error) {
	trim := func() {
		slices.Sort(names)
		if len(names) > s.window {
			names, more = names[:s.window], true
		}
	}
	err = s.eachName(ctx, dir, func(e fs.DirEntry) error {
		name := e.Name()
		if dir == "" && name == lostFound {
			return nil // the store is a whole file system; this belongs to its tools
		}
		if e.IsDir() {
			name += "/"
		}
		if name <= after || !strings.HasPrefix(path.Join(dir, e.Name()), prefix) || CheckKey(path.Join(dir, e.Name())) != nil {
			return nil //nolint:nilerr // not an object by CheckKey
		}
		if names = append(names, name); len(names) >= 2*s.window {
			trim()
		}
		return nil
	})
	trim()
	return names, more, err
}

// eachName calls do for each entry of a directory, unordered. A missing directory is empty.
func (s *File) eachName(ctx context.Context, dir string, do func(fs.DirEntry) error) error {
	f, err := s.root.OpenFile(path.Join(".", dir), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return s.gone("list objects")
	}
	if err != nil {
		return s.fail("list objects", dir, err)
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(1024)
		if errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return s.fail("list objects", dir, err)
		}
		for _, e := range entries {
			if err := errors.Join(ctx.Err(), do(e)); err != nil {
				return err
			}
		}
	}
}
