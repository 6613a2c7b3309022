package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
)

const (
	dirMode   = 0o750
	fileMode  = 0o640
	shards    = 256
	stagedTag = "put-"
)

// File is a store in a local directory. An object is a plain file under its key, so people
// can read it with any tool; its SHA-256 is in an extended attribute. Several processes may
// share a directory.
type File struct {
	dir  string
	root *os.Root // all access goes through it, so no link leads out
	busy [shards]chan struct{}

	window int // names of one directory that are sorted at once; see List
}

func openFile(ctx context.Context, dir string) (*File, error) {
	const op = "open object store"
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, classify(op, dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, classify(op, dir, err)
	}
	s := &File{dir: dir, root: root, window: 32 << 10}
	for i := range s.busy {
		s.busy[i] = make(chan struct{}, 1)
	}
	err = s.root.MkdirAll(tempDir, dirMode)
	if err == nil {
		err = s.selfTest()
	}
	if err == nil {
		err = s.sweep(ctx)
	}
	if err != nil {
		_ = root.Close() // the other error is the cause
		return nil, s.fail(op, "", err)
	}
	return s, nil
}

// gone is the fault of a store whose directory was removed, or whose disk is not mounted: then it is not
// known which objects exist.
func (s *File) gone(op string) error {
	if _, err := s.root.Lstat(tempDir); errors.Is(err, fs.ErrNotExist) {
		return fault.Disk(op, s.dir, err)
	}
	return nil
}

// selfTest finds problems at the start instead of in the first job: a file system without
// extended attributes or hard links, or missing permission.
func (s *File) selfTest() (err error) {
	st, err := s.stage()
	if err != nil {
		return err
	}
	second := tempName()
	defer func() { err = errors.Join(err, st.file.Close(), s.remove(st.name), s.remove(second)) }()
	want := checksum{size: 0, sha256: strings.Repeat("0", 64)}
	if err := want.store(st.file); err != nil {
		return unsupported(s.dir, "extended attributes (user.*)", err)
	}
	if got, err := loadChecksum(st.file); err != nil || got != want {
		return unsupported(s.dir, "extended attributes (user.*)", err)
	}
	if err := s.root.Link(st.name, second); err != nil {
		return unsupported(s.dir, "hard links", err)
	}
	return nil
}

func unsupported(dir, what string, err error) error {
	for _, sign := range []error{nil, unix.ENOTSUP, unix.ENOSYS, fs.ErrPermission, object.ErrCorrupt} {
		if errors.Is(err, sign) {
			return &fault.Error{
				Class: fault.Input, Op: "open object store", Subject: dir, Err: err,
				Reason: "this file system keeps no " + what +
					"; choose a directory on ext4, xfs, btrfs, zfs, APFS or (Linux 6.6 and later) tmpfs",
			}
		}
	}
	return err
}

// sweep removes temporary files of dead writers: a living writer holds a lock. They were
// never visible.
func (s *File) sweep(ctx context.Context) error {
	return s.eachName(ctx, tempDir, func(e fs.DirEntry) error {
		if !strings.HasPrefix(e.Name(), stagedTag) {
			return nil
		}
		name := path.Join(tempDir, e.Name())
		f, err := s.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			err = s.remove(name)
		}
		return errors.Join(err, f.Close())
	})
}

// stage makes a temporary file that no sweep mistakes for a dead writer's.
func (s *File) stage() (*staged, error) {
	for {
		st := &staged{name: tempName()}
		var err error
		if st.file, err = s.root.OpenFile(st.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode); err != nil {
			return nil, err
		}
		var stat unix.Stat_t
		fd := int(st.file.Fd())
		if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == nil {
			err = unix.Fstat(fd, &stat)
		}
		if err == nil && stat.Nlink > 0 {
			return st, nil
		}
		// A sweep ran between creation and lock, and removes the file.
		if closing := st.file.Close(); closing != nil {
			return nil, closing
		}
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(os.NewSyscallError("flock", err), s.remove(st.name))
		}
	}
}

// Free is the space that is left, in bytes.
func (s *File) Free() (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(s.dir, &stat); err != nil {
		return 0, s.fail("measure free space", "", os.NewSyscallError("statfs", err))
	}
	return int64(min(stat.Bavail, math.MaxInt64/uint64(stat.Bsize)) * uint64(stat.Bsize)), nil //nolint:gosec // the types differ between systems
}

// remove is Remove that ignores a missing file.
func (s *File) remove(name string) error {
	if err := s.root.Remove(filepath.FromSlash(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func tempName() string { return path.Join(tempDir, stagedTag+rand.Text()) }
