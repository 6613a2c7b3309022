package fault

import (
	"errors"
	"io/fs"
	"syscall"
)

// diskFault is one row of the table below.
type diskFault struct {
	err    error
	class  Class
	reason string
}

// diskFaults classifies the errors of a file system. If a person fixes the cause by making
// room, remounting, raising a limit or putting a file back, the class is capacity: work
// waits and continues by itself, however long it takes. Auth and input need another start:
// permissions and paths do not fix themselves. Transport may pass in a moment, and is
// retried a limited number of times.
func diskFaults() []diskFault {
	return []diskFault{
		{syscall.ENOSPC, Capacity, "disk full; make room"},
		{syscall.EDQUOT, Capacity, "disk full: the quota of this user is used up; make room or raise it"},
		{syscall.EROFS, Capacity, "the file system is read-only, as after an error of the disk; repair it and mount it writable"},
		{syscall.EMFILE, Capacity, "too many open files; raise the limit of open files of the worker (ulimit -n)"},
		{syscall.ENFILE, Capacity, "too many open files on this host; raise fs.file-max"},
		{syscall.ENOMEM, Capacity, "out of memory"},
		{syscall.ENOLCK, Capacity, "the host has no more file locks"},
		{syscall.EMLINK, Capacity, "a directory has too many entries"},
		{syscall.ENOTCONN, Capacity, "the file system is not connected; mount it again"},
		{syscall.ENODEV, Capacity, "the disk is gone; connect and mount it again"},
		{syscall.ENXIO, Capacity, "the disk is gone; connect and mount it again"},
		{syscall.ESTALE, Capacity, "the network file system has lost the file; mount it again"},
		{fs.ErrNotExist, Capacity, "it is missing; put it back, or mount the disk that holds it"},
		{fs.ErrPermission, Auth, "no permission; let the user of this process read and write there"},
		{syscall.ENOTDIR, Input, "a part of the path is not a directory"},
		{syscall.EISDIR, Input, "it is a directory"},
		{syscall.ELOOP, Input, "its links lead in a circle"},
		{syscall.ENAMETOOLONG, Input, "the name is too long for the file system"},
		{syscall.EFBIG, Input, "the file is larger than the file system or the limit of this process (ulimit -f) allows"},
		{syscall.ENOTSUP, Input, "the file system does not support this; choose one on a local disk"},
		{syscall.ENOSYS, Input, "the file system does not support this; choose one on a local disk"},
		{syscall.EXDEV, Input, "the two paths are on different file systems"},
		{syscall.EIO, Transport, "error of the disk; look at the kernel's log"},
		{syscall.EBUSY, Transport, "in use"},
		{syscall.EINTR, Transport, ""},
		{syscall.EAGAIN, Transport, ""},
		{syscall.ETIMEDOUT, Transport, "the network file system does not answer"},
	}
}

// DiskClass classifies an error of a file system. Unknown errors are Transport, with no
// reason.
func DiskClass(err error) (class Class, reason string) {
	for _, row := range diskFaults() {
		if errors.Is(err, row.err) {
			return row.class, row.reason
		}
	}
	return Transport, ""
}

// Disk is Wrap with the class and the reason of DiskClass. The subject is a path, because a
// person can inspect it.
func Disk(op, path string, err error) error {
	class, reason := DiskClass(err)
	wrapped := Wrap(class, op, path, err)
	if f, ok := wrapped.(*Error); ok && f.Reason == "" && f.Err == err { //nolint:errorlint // the one just made
		f.Reason = reason
	}
	return wrapped
}
