//go:build !linux

package devserver

import "syscall"

// attributes give the server a process group of its own, so that Ctrl-C reaches
// only cogflow, which drains its worker first.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
