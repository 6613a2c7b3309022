package source

import (
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// TestDiskOfASource: an error of a source's disk is retried, like that of every other disk.
func TestDiskOfASource(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{
		syscall.ENOTCONN, syscall.ESTALE, syscall.ENODEV, syscall.ENXIO, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE,
		syscall.EIO, syscall.ETIMEDOUT, syscall.ELOOP, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.EPIPE,
	} {
		err := &fs.PathError{Op: "open", Path: "/videos/a.mp4", Err: errno}
		want, _ := fault.DiskClass(err)
		require.Equal(t, want, fault.ClassOf(explain("open video", "/videos/a.mp4", err)), "%v", errno)
	}
	for _, errno := range []syscall.Errno{syscall.ENOENT, syscall.EACCES, syscall.EPERM} {
		err := explain("open video", "/videos/a.mp4", &fs.PathError{Op: "open", Path: "/videos/a.mp4", Err: errno})
		require.Equal(t, fault.Input, fault.ClassOf(err), "a wrong path is an input error: %v", errno)
	}
}
