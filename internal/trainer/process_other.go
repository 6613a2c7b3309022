//go:build !linux

package trainer

func preferForOOM(int) {}

// reap waits for the process, then kills the rest of its group.
func (p *process) reap() {
	_ = p.cmd.Wait() // ProcessState has the result
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killGroup()
	p.reaped = true
}
