package main

import (
	"runtime"
	"syscall"
)

// childAttributes makes the kernel send SIGTERM to the worker when its supervisor dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// onOneThread keeps the thread that starts a child until the child has ended, because Linux
// sends the signal of Pdeathsig when that thread ends, not when the process ends.
func onOneThread(run func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return run()
}
