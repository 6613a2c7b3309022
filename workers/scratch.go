package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/cogniverse/cogflow/activities/train/untrusted"
	"github.com/cogniverse/cogflow/fault"
)

// scratch is a directory for the temporary files of one worker process. The process holds a
// lock on it. Directories without a lock belong to dead workers, and the next worker removes
// them.
type scratch struct {
	dir  string
	lock *os.File
}

func openScratch(root string) (*scratch, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, unusable("make the scratch directory", root, scratchSetting, err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, unusable("read the scratch directory", root, scratchSetting, err)
	}
	for _, e := range entries {
		if matched, _ := filepath.Match(scratchName+"*", e.Name()); !matched {
			continue // not made by a worker
		}
		if err := sweep(filepath.Join(root, e.Name())); err != nil {
			return nil, err
		}
	}
	for {
		dir, err := os.MkdirTemp(root, scratchName+strconv.Itoa(os.Getpid())+"-")
		if err != nil {
			return nil, unusable("make a directory in", root, scratchSetting, err)
		}
		lock, err := lockDir(dir)
		if err != nil {
			return nil, fault.Disk("lock scratch directory", dir, err)
		}
		if lock == nil {
			continue // another worker's sweep removed it before it was locked
		}
		return &scratch{dir: dir, lock: lock}, nil
	}
}

const (
	scratchName    = "worker-"
	scratchSetting = "cogflow.scratch or COGFLOW_SCRATCH"
)

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

func (s *scratch) close() error {
	err := untrusted.RemoveTree(s.dir)
	if closeErr := s.lock.Close(); err == nil {
		err = closeErr
	}
	return err
}
