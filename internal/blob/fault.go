package blob

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
)

// fail classifies an error of the file system. The subject is the path on disk, because a
// person can inspect it.
func (s *File) fail(op, key string, err error) error {
	for _, kept := range []error{
		context.Canceled, context.DeadlineExceeded,
		object.ErrNotFound, object.ErrExists, object.ErrChanged, object.ErrCorrupt,
	} {
		if errors.Is(err, kept) {
			return err
		}
	}
	if err == nil || fault.ClassOf(err) != "" {
		return err
	}
	return classify(op, filepath.Join(s.dir, filepath.FromSlash(key)), err)
}

func classify(op, path string, err error) error {
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ELOOP) {
		return &fault.Error{
			Class: fault.Input, Op: op, Subject: path, Reason: "one key cannot be another object and its directory", Err: err,
		}
	}
	return fault.Disk(op, path, err)
}

// answer adds the key to an error of package object.
func answer(op, key string, err error) error { return fmt.Errorf("%s %q: %w", op, key, err) }
