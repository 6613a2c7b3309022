//go:build !linux

package trainer

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func prefer(int) {}

// reap waits for the process, then kills what is left of its group.
func (p *process) reap() {
	_ = p.cmd.Wait() // its verdict is in ProcessState
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killGroup()
	p.reaped = true
}
