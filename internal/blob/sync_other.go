//go:build !linux

package blob

import (
	"os"

	"golang.org/x/sys/unix"
)

const errNoAttribute = unix.ENOATTR

// syncAll is the best that these systems offer: sync may return before the
// disk has answered, the barrier is f's own.
func syncAll(f *os.File) error {
	if err := unix.Sync(); err != nil {
		return os.NewSyscallError("sync", err)
	}
	return f.Sync()
}
