package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
)

// fail classifies an error of the file system. The subject is the path on disk,
// since that is what the person who must act can look at.
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
	class, reason := fault.Transport, ""
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		class, reason = fault.Capacity, "disk full"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		class, reason = fault.Capacity, "too many open files"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		class, reason = fault.Auth, "no permission on the object store; let the user of this process read and write there"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP):
		class, reason = fault.Input, "one key cannot be another object and its directory"
	case errors.Is(err, syscall.ENAMETOOLONG):
		class, reason = fault.Input, "name too long for the file system"
	}
	return &fault.Error{Class: class, Op: op, Subject: path, Reason: reason, Err: err}
}

// answer says which object one of the errors of package object is about.
func answer(op, key string, err error) error { return fmt.Errorf("%s %q: %w", op, key, err) }
