package sandbox

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// resource pairs a limit with its number and the flag of prlimit(1).
type resource struct {
	number int
	flag   string
	value  uint64
}

// resources omits NPROC: outside the sandbox it counts all processes of the user, not
// only those of the child; see wrap. Core dumps would write untrusted memory to disk.
func (l Limits) resources() []resource {
	all := []resource{
		{unix.RLIMIT_CORE, "core", 0},
		{unix.RLIMIT_FSIZE, "fsize", l.FileSize},
	}
	if l.Memory > 0 {
		all = append(all, resource{unix.RLIMIT_AS, "as", l.Memory})
	}
	if l.CPU > 0 {
		all = append(all, resource{unix.RLIMIT_CPU, "cpu", uint64(math.Ceil(l.CPU.Seconds()))})
	}
	if l.Files > 0 {
		all = append(all, resource{unix.RLIMIT_NOFILE, "nofile", l.Files})
	}
	return all
}

// flags returns the arguments of prlimit(1), which sets the limits before the child starts.
func (l Limits) flags() []string {
	var flags []string
	for _, r := range l.resources() {
		flags = append(flags, fmt.Sprintf("--%s=%d:%d", r.flag, r.value, r.value))
	}
	return flags
}

// setLimits limits a process that just started. Where prlimit(1) exists, it repeats
// the same limits. Elsewhere the child runs without limits for an instant, long before
// it can open its input. An error means that the process has ended, or that a lower
// limit is set already.
func setLimits(pid int, l Limits) {
	for _, r := range l.resources() {
		_ = unix.Prlimit(pid, r.number, &unix.Rlimit{Cur: r.value, Max: r.value}, nil)
	}
}

// keepDescriptors sets FD_CLOEXEC on all descriptors that this process was started with, so
// that no child inherits them. Go sets it on every descriptor that it opens.
func keepDescriptors() {
	names, _ := os.ReadDir("/proc/self/fd") // without /proc there is no sandbox
	for _, name := range names {
		if fd, err := strconv.Atoi(name.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

func killGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL) // ESRCH: the group has ended already
}

// reap waits for the child, and kills the rest of its group while the zombie still
// holds the process id: afterwards the id may belong to another process.
func (p *Process) reap() {
	for interrupted := true; interrupted; {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		interrupted = errors.Is(err, unix.EINTR)
	}
	p.Kill()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = p.cmd.Wait()
	p.reaped = true
}
