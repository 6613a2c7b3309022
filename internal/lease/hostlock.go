package lease

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/cogniverse/cogflow/fault"
)

// locks are the locks of devices that all worker processes of a host share: one file a
// device, locked with flock. The kernel releases a lock when its process ends, in whatever
// way, so no lease survives its holder. The zero value locks nothing.
type locks struct{ dir string }

const lockOp = "lock GPU"

// folder is the folder of the locks in one of the lockDirs.
const folder = "cogflow-gpus"

// lockDirs are places for the folder, which every user can write on most hosts.
var lockDirs = []string{"/run/lock", "/tmp"} //nolint:gochecknoglobals // a constant

// hostLocks returns the locks of this host: those in the folder that exists, or else in the
// first that can be made.
func hostLocks(dirs []string) (locks, error) {
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
	return locks{}, &fault.Error{
		Class: fault.Input, Op: lockOp, Subject: filepath.Join(dirs[0], folder),
		Reason: "create this directory with mode 1777, for the locks of GPUs that all workers of the host share", Err: failed,
	}
}

func locksIn(dir string) (locks, error) {
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil: // every user of the host may add a lock, and remove only their own
		if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
			return locks{}, fault.Disk(lockOp, dir, err)
		}
	case !errors.Is(err, fs.ErrExist):
		return locks{}, fault.Disk(lockOp, dir, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return locks{}, fault.Disk(lockOp, dir, err)
	}
	if !info.IsDir() { // a symbolic link of another user could lead anywhere
		return locks{}, fault.New(fault.Input, lockOp, dir, "it must be a directory; remove it")
	}
	return locks{dir}, nil
}

// try locks a device. ok is false while another holder has it, in this process or another.
func (l locks) try(device string) (release func(), ok bool, err error) {
	if l.dir == "" || device == "" {
		return func() {}, true, nil
	}
	path := filepath.Join(l.dir, lockName(device))
	file, err := open(path)
	if err != nil {
		return nil, false, fault.Disk(lockOp, path, err)
	}
	for interrupted := true; interrupted; {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a descriptor fits
		interrupted = errors.Is(err, syscall.EINTR)
	}
	switch {
	case err == nil:
		return func() { _ = file.Close() }, true, nil // closing releases the lock
	case errors.Is(err, syscall.EWOULDBLOCK):
		_ = file.Close() // it was only read
		return nil, false, nil
	}
	_ = file.Close() // the cause says more
	return nil, false, fault.Disk(lockOp, path, err)
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

// lockName is the file name of a device's lock. Names of MIG instances may hold slashes, and no
// name holds "_".
func lockName(device string) string { return strings.ReplaceAll(device, "/", "_") + ".lock" }
