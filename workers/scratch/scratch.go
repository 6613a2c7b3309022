// Package scratch keeps the temporary files of workers in one directory for each process, and
// removes those of dead processes. It knows nothing of the files.
package scratch

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/cogniverse/cogflow/activities/train/untrusted"
	"github.com/cogniverse/cogflow/fault"
)

// Dir is a directory for the temporary files of one worker process. The process holds a
// lock on it. Directories without a lock belong to dead workers, and the next worker removes
// them.
type Dir struct {
	Path string
	lock *os.File
}

// Open makes a directory below root, which is made if it is missing. unusable explains why root
// cannot be used.
func Open(root string, unusable func(op, path string, err error) error) (*Dir, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, unusable("make the scratch directory", root, err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, unusable("read the scratch directory", root, err)
	}
	for _, e := range entries {
		if matched, _ := filepath.Match(name+"*", e.Name()); !matched {
			continue // not made by a worker
		}
		if err := sweep(filepath.Join(root, e.Name())); err != nil {
			return nil, err
		}
	}
	for {
		dir, err := os.MkdirTemp(root, name+strconv.Itoa(os.Getpid())+"-")
		if err != nil {
			return nil, unusable("make a directory in", root, err)
		}
		lock, err := lockDir(dir)
		if err != nil {
			return nil, fault.Disk("lock scratch directory", dir, err)
		}
		if lock == nil {
			continue // another worker's sweep removed it before it was locked
		}
		return &Dir{Path: dir, lock: lock}, nil
	}
}

const name = "worker-"

// lockDir locks a directory. It returns nil if another process has locked or removed it.
func lockDir(dir string) (*os.File, error) {
	lock, err := os.Open(dir)
	if os.IsNotExist(err) {
		return nil, nil //nolint:nilnil // removed by another process
	}
	if err != nil {
		return nil, err
	}
	switch err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, lock.Close()
	case err != nil:
		return nil, errors.Join(err, lock.Close())
	}
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		return nil, lock.Close() // removed between opening and locking
	}
	return lock, nil
}

// sweep removes the directory of a dead worker.
func sweep(dir string) error {
	lock, err := lockDir(dir)
	if err != nil {
		return fault.Disk("lock scratch directory", dir, err)
	}
	if lock == nil {
		return nil // in use, or being removed
	}
	defer lock.Close()
	return fault.Disk("remove scratch directory", dir, untrusted.RemoveTree(dir))
}

// Close removes the directory.
func (s *Dir) Close() error {
	err := untrusted.RemoveTree(s.Path)
	if closeErr := s.lock.Close(); err == nil {
		err = closeErr
	}
	return err
}
