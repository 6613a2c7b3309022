package main

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/cogniverse/cogflow/fault"
)

// scratch is a directory for the temporary files of one worker process. Its
// lock ends with the process, however that ends, so the next worker can tell
// what nobody uses any more and removes it.
type scratch struct {
	dir  string
	lock *os.File
}

const lockName = "lock"

func openScratch(root string) (*scratch, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fault.Wrap(fault.Capacity, "make scratch directory", root, err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fault.Wrap(fault.Capacity, "read scratch directory", root, err)
	}
	for _, e := range entries {
		if err := sweep(filepath.Join(root, e.Name())); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(root, "worker-"+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, fault.Wrap(fault.Capacity, "make scratch directory in", root, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Capacity, "lock scratch directory", dir, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fault.Wrap(fault.Capacity, "lock scratch directory", dir, err)
	}
	return &scratch{dir: dir, lock: lock}, nil
}

// sweep removes what a dead worker left behind.
func sweep(dir string) error {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if os.IsNotExist(err) {
		return nil // just being made, or not ours
	}
	if err != nil {
		return fault.Wrap(fault.Capacity, "look at scratch directory", dir, err)
	}
	defer lock.Close()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil // in use
	}
	return fault.Wrap(fault.Capacity, "remove scratch directory", dir, os.RemoveAll(dir))
}

func (s *scratch) close() error {
	err := os.RemoveAll(s.dir)
	if closeErr := s.lock.Close(); err == nil {
		err = closeErr
	}
	return err
}
