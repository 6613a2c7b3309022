package lease

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/cogniverse/cogflow/fault"
)

// Locks are the locks of devices that all worker processes of a host share: one file a
// device, locked with flock. The kernel releases a lock when its process ends, in whatever
// way, so no lease survives its holder. The zero value locks nothing.
type Locks struct{ dir string }

// HostLocks returns the locks of this host.
func HostLocks() (Locks, error) { return hostLocks(lockDirs) }

const lockOp = "lock GPU"

// folder is the folder of the locks in one of the lockDirs.
const folder = "cogflow-gpus"

// lockDirs are places for the folder, which every user can write on most hosts.
var lockDirs = []string{"/run/lock", "/tmp"} //nolint:gochecknoglobals // a constant

// hostLocks returns the locks of this host: those in the folder that exists, or else in the
// first that can be made.
func hostLocks(dirs []string) (Locks, error) {
	for _, dir := range dirs {
		if _, err := os.Lstat(filepath.Join(dir, folder)); err == nil {
			return locksIn(filepath.Join(dir, folder))
		}
	}
	var failed error
	for _, dir := range dirs {
		made, err := locksIn(filepath.Join(dir, folder))
		if err == nil {
			return made, nil
		}
		failed = errors.Join(failed, err)
	}
	return Locks{}, &fault.Error{
		Class: fault.Input, Op: lockOp, Subject: filepath.Join(dirs[0], folder),
		Reason: "create this directory with mode 1777, for the locks of GPUs that all workers of the host share", Err: failed,
	}
}

func locksIn(dir string) (Locks, error) {
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil: // every user of the host may add a lock, and remove only their own
		if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
			return Locks{}, fault.Disk(lockOp, dir, err)
		}
	case !errors.Is(err, fs.ErrExist):
		return Locks{}, fault.Disk(lockOp, dir, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return Locks{}, fault.Disk(lockOp, dir, err)
	}
	if !info.IsDir() { // a symbolic link of another user could lead anywhere
		return Locks{}, fault.New(fault.Input, lockOp, dir, "it must be a directory; remove it")
	}
	return Locks{dir}, nil
}

// Try locks a name, such as a device. ok is false while another holder has it, in this process
// or another.
func (l Locks) Try(name string) (release func(), ok bool, err error) {
	return l.lock(name, ".lock", syscall.LOCK_EX)
}

// Want shows the holder of a lock that it is waited for, until release is called or this
// process ends.
func (l Locks) Want(name string) (release func(), err error) {
	for {
		release, ok, err := l.lock(name, ".wanted", syscall.LOCK_SH)
		if ok || err != nil {
			return release, err
		}
		runtime.Gosched() // the holder looks at this moment
	}
}

// Wanted reports whether a lock is waited for, in this process or another.
func (l Locks) Wanted(name string) (bool, error) {
	if l.dir == "" {
		return false, nil
	}
	release, ok, err := l.lock(name, ".wanted", syscall.LOCK_EX)
	if ok {
		release()
	}
	return !ok, err
}

func (l Locks) lock(name, kind string, how int) (release func(), ok bool, err error) {
	if l.dir == "" || name == "" {
		return func() {}, true, nil
	}
	path := filepath.Join(l.dir, fileName(name)+kind)
	file, err := open(path)
	if err != nil {
		return nil, false, fault.Disk(lockOp, path, err)
	}
	ok, err = flock(file, how)
	if ok {
		return func() { unflock(file) }, true, nil
	}
	_ = file.Close() // it was only read; the cause of a fault says more
	if err != nil {
		return nil, false, fault.Disk(lockOp, path, err)
	}
	return nil, false, nil
}

// open opens the file of a lock for reading, which is enough for a lock: another user may own
// it. Files of locks are never removed, or two processes could lock different files.
func open(path string) (*os.File, error) {
	const follow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	for range 3 { // another process may create it at the same time
		file, err := os.OpenFile(path, os.O_RDONLY|follow, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
		made, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|follow, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := made.Chmod(0o444); err != nil { // whatever the umask is
			_ = made.Close() // the cause says more
			return nil, err
		}
		return made, nil
	}
	return nil, fs.ErrExist
}

// fileName is a name as a part of a file name. Names of MIG instances may hold slashes, and no
// name holds "_".
func fileName(name string) string { return strings.ReplaceAll(name, "/", "_") }
