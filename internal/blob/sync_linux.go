package blob

import (
	"os"

	"golang.org/x/sys/unix"
)

const errNoAttribute = unix.ENODATA

// syncAll returns when everything written before to the file system of f is on
// disk, f included.
func syncAll(f *os.File) error {
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
