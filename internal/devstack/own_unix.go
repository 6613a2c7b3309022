//go:build unix

package devstack

import (
	"io/fs"
	"os"
	"syscall"
)

// own reports whether a file belongs to the user of this process, or to root.
func own(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (int(s.Uid) == os.Getuid() || s.Uid == 0)
}
