package main

import (
	"runtime"
	"syscall"
)

// childAttributes let the kernel ask the worker to stop when its supervisor dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// onOneThread keeps the thread that starts a child until the child has ended:
// Linux sends the signal above when that thread ends, not the process.
func onOneThread(run func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return run()
}
