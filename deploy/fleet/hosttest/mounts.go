//go:build linux

package hosttest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mount gives the calling thread, which must be locked, the name of the host and the file system that it sees: the
// system's programs and libraries, its own disk, its own temporary directories, and the files
// that it was given. It sees neither disks of other hosts nor home directories.
func (h *Host) mount() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	if err := unix.Sethostname([]byte(h.Name)); err != nil {
		return fmt.Errorf("name the host: %w", err)
	}
	m := &mounts{}
	m.mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE)
	m.mount(h.Dir, Disk, "", unix.MS_BIND)
	names := slices.Sorted(maps.Keys(h.files))
	files := make([]string, len(names))
	for i, name := range names { // before their folders are hidden
		files[i] = m.open(h.files[name])
	}
	for _, hidden := range []string{Programs, "/root", "/home"} {
		m.mount("tmpfs", hidden, "tmpfs", 0)
	}
	for i, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(Programs, name)
		}
		m.give(files[i], name)
	}
	for name, content := range h.identity() {
		own := filepath.Join(h.network.base, h.Name+strings.ReplaceAll(name, "/", "-"))
		m.do("write", own, func() error { return replace(own, content) })
		m.give(own, name)
	}
	for _, shared := range []string{"/var/tmp", "/dev/shm", "/tmp"} { // /tmp last: the disks of hosts can be below it
		m.mount(filepath.Join(h.Dir, "tmp"), shared, "", unix.MS_BIND)
	}
	m.close()
	return m.err
}

// identity are the files that say who the host is, and where the others are.
func (h *Host) identity() map[string]string {
	names := []string{"127.0.0.1 localhost"}
	for _, other := range h.network.all() {
		names = append(names, other.Address.String()+" "+other.Name)
	}
	return map[string]string{
		"/etc/hosts":  strings.Join(names, "\n") + "\n",
		"/etc/passwd": fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\n%s:x:%d:%d::%s:/bin/sh\n", h.Name, h.UID, h.UID, Disk),
		"/etc/group":  fmt.Sprintf("root:x:0:\n%s:x:%d:\n", h.Name, h.UID),
	}
}

// replace writes a public file anew. Programs that see the former one, which can be the same text, keep it whole.
func replace(path, content string) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	err = firstError(errors.Join(err, file.Chmod(0o644), file.Close()), func() error { return os.Rename(file.Name(), path) })
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// mounts stops at the first error.
type mounts struct {
	err         error
	descriptors []int
}

// open returns a path that leads to a file or folder wherever its name leads later.
func (m *mounts) open(path string) (lasting string) {
	m.do("open", path, func() error {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		m.descriptors = append(m.descriptors, fd)
		lasting = fmt.Sprintf("/proc/self/fd/%d", fd)
		return nil
	})
	return lasting
}

func (m *mounts) close() {
	for _, fd := range m.descriptors {
		_ = unix.Close(fd)
	}
}

func (m *mounts) do(what, on string, f func() error) {
	if m.err != nil {
		return
	}
	if err := f(); err != nil {
		m.err = fmt.Errorf("%s %s: %w", what, on, err)
	}
}

func (m *mounts) mount(from, to, kind string, flags uintptr) {
	options := ""
	if kind == "tmpfs" {
		options = "mode=0755"
	}
	m.do("mount on", to, func() error { return unix.Mount(from, to, kind, flags, options) })
}

// give shows a file or a folder at another place, read-only.
func (m *mounts) give(from, to string) {
	m.do("find", from, func() error {
		info, err := os.Stat(from)
		if err != nil || info.IsDir() {
			return firstError(err, func() error { return os.MkdirAll(to, 0o755) }) //nolint:gosec // read-only programs
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // the same
			return err
		}
		file, err := os.OpenFile(to, os.O_CREATE, 0o644) //nolint:gosec // the same
		return firstError(err, func() error { return file.Close() })
	})
	m.mount(from, to, "", unix.MS_BIND|unix.MS_REC)
	m.mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY)
}

func firstError(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}
