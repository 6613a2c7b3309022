//go:build !linux

package smallserver

import "syscall"

// attributes give the process a group of its own, so that Ctrl-C reaches only cogflow, which
// drains its worker first.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func onOneThread(run func() error) error { return run() }
