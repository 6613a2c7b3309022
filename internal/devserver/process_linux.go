package devserver

import "syscall"

// attributes give the server a process group of its own, so that Ctrl-C reaches
// only cogflow, which drains its worker first; and let the kernel kill it when
// cogflow itself is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
