package trainer

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// preferForOOM makes the kernel kill the trainer first when the host is out of memory. The
// trainer can continue from its checkpoint, but the worker serves other jobs as well.
func preferForOOM(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0) // best effort
}

// reap waits for the process, and kills the rest of its group while the zombie still
// holds the process id: afterwards the id may belong to another process.
func (p *process) reap() {
	for interrupted := true; interrupted; {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		interrupted = errors.Is(err, unix.EINTR)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killGroup()
	_ = p.cmd.Wait() // ProcessState has the result
	p.reaped = true
}
