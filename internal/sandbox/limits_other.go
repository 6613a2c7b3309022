//go:build !linux

package sandbox

import (
	"os"
	"syscall"
)

func (l Limits) flags() []string { return nil }

func setLimits(int, Limits) {}

func keepDescriptors() {}

func killGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL) // ESRCH: the group has ended already
}

// reap waits for the child, then kills the rest of its group.
func (p *Process) reap() {
	status := p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	killGroup(p.cmd.Process)
	p.status = status
	p.reaped = true
}
