// Package child has the attributes of child processes that must not outlive this one. It starts
// none.
package child

import (
	"runtime"
	"syscall"
)

// Attributes give a process a session and a group of its own. Ctrl-C reaches only this process,
// which ends its children in order, and a child cannot write to its terminal. On Linux, the kernel
// sends the child the signal when this process dies. Start it on a thread that lives until it has
// ended: see OnOneThread.
func Attributes(whenOrphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: whenOrphaned}
}

// OnOneThread keeps the thread that starts a child until run has returned: Linux sends the signal
// of Pdeathsig when that thread ends, not when the process ends.
func OnOneThread(run func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return run()
}

// Within gives a process nothing of its own: it stays in the group of this one. On Linux, the
// kernel sends it the signal when this process dies; see OnOneThread.
func Within(whenOrphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: whenOrphaned}
}
