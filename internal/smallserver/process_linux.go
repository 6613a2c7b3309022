package smallserver

import (
	"runtime"
	"syscall"
)

// attributes give the process a group of its own, so that Ctrl-C reaches only cogflow, which
// drains its worker first; and let the kernel kill it when cogflow itself is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// onOneThread keeps the thread that starts the process until it has ended: Linux sends the
// signal of Pdeathsig when that thread ends.
func onOneThread(run func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return run()
}
