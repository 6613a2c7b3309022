//go:build !linux

// Package child has the attributes of child processes that must not outlive this one. It starts
// none.
package child

import "syscall"

// Attributes give a process a session and a group of its own. Ctrl-C reaches only this process,
// which ends its children in order, and a child cannot write to its terminal.
func Attributes(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// OnOneThread calls run.
func OnOneThread(run func() error) error { return run() }

// Within gives a process nothing of its own: it stays in the group of this one.
func Within(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
