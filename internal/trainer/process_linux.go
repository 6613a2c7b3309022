package trainer

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes give the process a group of its own and let the kernel kill it when
// this process dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// prefer tells the kernel whom to kill when the host is out of memory: the
// trainer, which goes on from its checkpoint, and not the worker, which serves
// others as well.
func prefer(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0) // best effort
}

// reap waits for the process, and kills what is left of its group while the dead
// process still occupies the id: afterwards it may belong to another process.
func (p *process) reap() {
	for interrupted := true; interrupted; {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		interrupted = errors.Is(err, unix.EINTR)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killGroup()
	_ = p.cmd.Wait() // its verdict is in ProcessState
	p.reaped = true
}
