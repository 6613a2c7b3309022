package fault_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

func TestDiskClass(t *testing.T) {
	t.Parallel()
	for errno, want := range map[syscall.Errno]fault.Class{
		syscall.ENOSPC: fault.Capacity, syscall.EDQUOT: fault.Capacity, syscall.EROFS: fault.Capacity, syscall.EMFILE: fault.Capacity,
		syscall.ENFILE: fault.Capacity, syscall.ENOMEM: fault.Capacity, syscall.ENOLCK: fault.Capacity, syscall.EMLINK: fault.Capacity,
		syscall.ENOTCONN: fault.Capacity, syscall.ENODEV: fault.Capacity, syscall.ENXIO: fault.Capacity, syscall.ESTALE: fault.Capacity,
		syscall.ENOENT: fault.Capacity,
		syscall.EACCES: fault.Auth, syscall.EPERM: fault.Auth,
		syscall.ENOTDIR: fault.Input, syscall.EISDIR: fault.Input, syscall.ELOOP: fault.Input, syscall.ENAMETOOLONG: fault.Input,
		syscall.EFBIG: fault.Input, syscall.ENOTSUP: fault.Input, syscall.ENOSYS: fault.Input, syscall.EXDEV: fault.Input,
		syscall.EIO: fault.Transport, syscall.EBUSY: fault.Transport, syscall.EINTR: fault.Transport, syscall.EAGAIN: fault.Transport,
		syscall.ETIMEDOUT: fault.Transport, syscall.EILSEQ: fault.Transport,
	} {
		err := fault.Disk("write", "/x", &fs.PathError{Op: "open", Path: "/x", Err: os.NewSyscallError("open", errno)})
		require.Equal(t, want, fault.ClassOf(err), "%d: %v", errno, err)
		require.ErrorIs(t, err, errno)
		if want != fault.Transport {
			require.ErrorContains(t, err, `write "/x": `)
		}
	}
	require.NoError(t, fault.Disk("write", "/x", nil))
	require.Equal(t, context.Canceled, fault.Disk("write", "/x", context.Canceled))
	_, err := os.Open(filepath.Join(t.TempDir(), "missing"))
	require.Equal(t, fault.Capacity, fault.ClassOf(fault.Disk("read", "x", err)))
}
