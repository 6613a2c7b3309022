package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// python runs a script in a sandbox.
func python(t *testing.T, script string) Command {
	t.Helper()
	return Command{Path: "/usr/bin/python3", Args: []string{"-I", "-c", script}, Limits: Limits{Wall: time.Minute}}
}

// TestForbiddenCalls: system calls that no ordinary program needs fail, whether called by
// number or through the C library.
func TestForbiddenCalls(t *testing.T) {
	t.Parallel()
	s := confined(t)
	out, err := s.Run(t.Context(), python(t, `
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
numbers = {"x86_64": dict(ptrace=101, unshare=272, setns=308, mount=165, keyctl=250, add_key=248, bpf=321, perf_event_open=298,
                          userfaultfd=323, io_uring_setup=425, process_vm_readv=310, personality=135, kexec_load=246,
                          init_module=175, pivot_root=155, open_by_handle_at=304, move_mount=429, pidfd_getfd=438),
           "aarch64": dict(ptrace=117, unshare=97, setns=268, mount=40, keyctl=219, add_key=217, bpf=280, perf_event_open=241,
                           userfaultfd=282, io_uring_setup=425, process_vm_readv=270, personality=92, kexec_load=104,
                           init_module=105, pivot_root=41, open_by_handle_at=265, move_mount=429, pidfd_getfd=438)}[platform.machine()]
for name, number in numbers.items():
    ctypes.set_errno(0)
    if libc.syscall(number, 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != errno.EPERM:
        print(name, "is allowed")
ctypes.set_errno(0)
clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
NEWUSER, SIGCHLD = 0x10000000, 17
child = libc.syscall(clone, NEWUSER | SIGCHLD, 0, 0, 0, 0)
if child == 0:
    libc._exit(0)
if child > 0 or ctypes.get_errno() != errno.EPERM:
    print("clone makes a namespace")
if libc.syscall(435, 0, 0) != -1 or ctypes.get_errno() != errno.ENOSYS:
    print("clone3 exists")
import socket
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, 38, 40):
    try:
        socket.socket(family, socket.SOCK_RAW if family == socket.AF_NETLINK else socket.SOCK_STREAM)
        print("socket of family", family)
    except PermissionError:
        pass
a, b = socket.socketpair()
a.send(b"x"); assert b.recv(1) == b"x"
import subprocess, threading
assert subprocess.run(["/bin/echo", "x"], capture_output=True).stdout == b"x\n"
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
print("end")
`), 4000)
	require.NoError(t, err)
	require.Equal(t, "end\n", string(out))
}

// TestForeignArchitecture: 32-bit system calls do not bypass the filter.
func TestForeignArchitecture(t *testing.T) {
	t.Parallel()
	if out, err := exec.CommandContext(t.Context(), "uname", "-m").Output(); err != nil || strings.TrimSpace(string(out)) != "x86_64" {
		t.Skip("only x86_64 has int 0x80")
	}
	_, err := confined(t).Run(t.Context(), python(t, `
import ctypes, mmap
code = bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3])  # mov eax, 20 (getpid of i386); int 0x80; ret
m = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
m.write(code)
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()
`), 1000)
	var exit *ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, "exit status 159", exit.Status, "killed by SIGSYS: %s", exit.Stderr)
}

// alterations try everything that could change the file behind descriptor 3.
const alterations = `
import ctypes, fcntl, mmap, os, struct
def attempt(name, f):
    try:
        f()
        print(name, "worked")
    except (OSError, ValueError):
        pass
for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_RDWR | os.O_APPEND, os.O_RDONLY | os.O_CREAT):
    for path in ("/dev/fd/3", "/proc/self/fd/3"):
        attempt("open %o" % flags, lambda: os.open(path, flags))
attempt("write", lambda: os.write(3, b"x"))
attempt("pwrite", lambda: os.pwrite(3, b"x", 0))
attempt("truncate", lambda: os.truncate("/proc/self/fd/3", 0))
attempt("ftruncate", lambda: os.ftruncate(3, 0))
attempt("fchmod", lambda: os.fchmod(3, 0o777))
attempt("chmod", lambda: os.chmod("/proc/self/fd/3", 0o777))
attempt("fchown", lambda: os.fchown(3, os.getuid(), os.getgid()))
attempt("utime", lambda: os.utime(3, (0, 0)))
attempt("utime by name", lambda: os.utime("/proc/self/fd/3", (0, 0)))
attempt("xattr", lambda: os.setxattr(3, "user.x", b"1"))
attempt("link", lambda: os.link("/proc/self/fd/3", "/tmp/x", follow_symlinks=True))
attempt("mmap", lambda: mmap.mmap(3, 1, flags=mmap.MAP_SHARED, prot=mmap.PROT_WRITE))
attempt("allocate", lambda: os.posix_fallocate(3, 0, 100000))
attempt("ioctl", lambda: fcntl.ioctl(3, 0x40086602, struct.pack("l", 0x40)))
how = struct.pack("QQQ", os.O_RDWR, 0, 0)
libc = ctypes.CDLL(None)
if libc.syscall(437, -100, b"/proc/self/fd/3", how, len(how)) >= 0:
    print("openat2 worked")
print(os.pread(3, 7, 0).decode())
print(open("/proc/self/fd/3").read())
`

// TestReadOnlyFileIsNotModified: a program that is given a read-only descriptor cannot modify
// the file, although its user has write permission.
func TestReadOnlyFileIsNotModified(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "original")
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o644))
	old := time.Unix(1_700_000_000, 0)
	require.NoError(t, os.Chtimes(path, old, old))
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	c := python(t, alterations)
	c.Files, c.ReadOnly = []*os.File{file}, true
	out, err := confined(t).Run(t.Context(), c, 4000)
	require.NoError(t, err)
	require.Equal(t, "content\ncontent\n", string(out))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "content", string(data))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode())
	require.Equal(t, old.Unix(), info.ModTime().Unix())
}

// TestNoInheritedDescriptors: a child has only its own descriptors, even if its worker was
// started with more.
func TestNoInheritedDescriptors(t *testing.T) {
	t.Parallel()
	file, err := os.Open("/etc/passwd")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	strange, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD, 100) // without FD_CLOEXEC, as if inherited
	require.NoError(t, err)
	protections(t, func(t *testing.T, s *Sandbox) {
		c := shell(t, "cd /proc/self/fd; echo *")
		c.Files = []*os.File{file}
		out, err := s.Run(t.Context(), c, 1000)
		require.NoError(t, err)
		for fd := range strings.FieldsSeq(string(out)) {
			n, err := strconv.Atoi(fd)
			require.NoError(t, err)
			require.Less(t, n, 100, "%d is inherited: %s", strange, out)
		}
	})
}

// bounded returns the limits that this machine and user support.
func bounded(t *testing.T, s *Sandbox) {
	t.Helper()
	if s.Protection().Processes == "" {
		t.Skip("root without control groups: " + s.Protection().String())
	}
}

// TestForkBomb: the number of a child's processes is limited, and they end with it.
func TestForkBomb(t *testing.T) {
	t.Parallel()
	s := confined(t)
	bounded(t, s)
	c := python(t, `
import os, time
made = 0
while made < 500:
    try:
        pid = os.fork()
    except BlockingIOError:
        break
    if pid == 0:
        time.sleep(1000)
    made += 1
print(made)
`)
	c.Limits.Processes = 40
	out, err := s.Run(t.Context(), c, 1000)
	require.NoError(t, err)
	made, err := strconv.Atoi(strings.TrimSpace(string(out)))
	require.NoError(t, err)
	require.Less(t, made, 40)
	require.Greater(t, made, 20, "up to the limit")
}

// TestMemoryBomb: with control groups, the total memory of all processes is limited. The
// memory of a single process is limited on every machine.
func TestMemoryBomb(t *testing.T) {
	t.Parallel()
	s := confined(t)
	c := python(t, `
import os, time
for _ in range(8):
    if os.fork() == 0:
        kept = bytearray(64 << 20)
        kept[::4096] = b"x" * len(kept[::4096])
        time.sleep(1000)
os._exit(os.wait()[1] and 9)  # the kernel has killed one of them, or all with this one
`)
	c.Limits.Memory, c.Limits.Total, c.Limits.Processes = 512<<20, 128<<20, 100
	if s.Protection().Memory == "control group" {
		c.Limits.Wall = time.Minute
		_, err := s.Run(t.Context(), c, 1000)
		require.ErrorIs(t, err, ErrMemory)
	}
	c = python(t, `kept = bytearray(600 << 20)`)
	c.Limits.Memory = 512 << 20
	_, err := s.Run(t.Context(), c, 1000)
	var exit *ExitError
	require.ErrorAs(t, err, &exit)
	require.Contains(t, exit.Stderr, "MemoryError")
}

// TestGroupsAreRemoved: no control group is left over.
func TestGroupsAreRemoved(t *testing.T) {
	t.Parallel()
	s := confined(t)
	if s.groups == nil {
		t.Skip("no control groups can be made here")
	}
	in, err := s.groups.make(Limits{Processes: 10})
	require.NoError(t, err)
	for _, dir := range in.dirs {
		require.DirExists(t, dir)
	}
	in.remove()
	for _, dir := range in.dirs {
		require.NoDirExists(t, dir)
	}
	c := shell(t, "sleep 1000 & sleep 1000 & exit 3")
	c.Limits.Processes = 10
	p, err := s.Start(t.Context(), c)
	require.NoError(t, err)
	var exit *ExitError
	require.True(t, errors.As(p.Wait(), &exit))
	for _, dir := range p.group.dirs {
		require.NoDirExists(t, dir)
	}
}
