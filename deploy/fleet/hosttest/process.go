//go:build linux

package hosttest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/child"
)

// Command is a program of a host. The environment is only what is given here, with HOME, PATH
// and TMPDIR.
type Command struct {
	Name string // of the log
	Path string // as the host sees it
	Args []string
	Env  []string
}

// Process is a program that runs on a host.
type Process struct {
	Host *Host
	Log  string // path, as the test sees it

	command *exec.Cmd
	done    chan struct{}
	err     error // read after done
}

// Start starts a program, which ends at the latest with the process of the test. Its output is
// appended to a log outside of the host's disk.
func (h *Host) Start(c Command) *Process {
	tb := h.network.tb
	tb.Helper()
	p := &Process{Host: h, Log: filepath.Join(h.network.base, h.Name+"-"+c.Name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(tb, err)
	p.command = h.prepare(c)
	p.command.Stdout, p.command.Stderr = log, log
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		defer log.Close()
		p.err = h.run(p.command, started)
	}()
	require.NoError(tb, <-started, "%s on %s", c.Path, h.Name)
	return p
}

// Output is what a program wrote, and how it ended.
type Output struct {
	Code           int
	Stdout, Stderr string
}

// Run runs a program until it ends.
func (h *Host) Run(c Command) Output {
	tb := h.network.tb
	tb.Helper()
	command := h.prepare(c)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := h.run(command, make(chan error, 1))
	if _, ended := errors.AsType[*exec.ExitError](err); !ended {
		require.NoError(tb, err, "%s on %s: %s", c.Path, h.Name, &stderr)
	}
	return Output{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (h *Host) prepare(c Command) *exec.Cmd {
	command := &exec.Cmd{Path: c.Path, Args: append([]string{c.Path}, c.Args...), Dir: Disk}
	command.Env = append([]string{"HOME=" + Disk, "TMPDIR=/tmp", "PATH=/usr/local/bin:/usr/bin:/bin", "USER=" + h.Name, "LANG=C.UTF-8"}, c.Env...)
	command.SysProcAttr = child.Attributes(syscall.SIGKILL)
	command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(h.UID), Gid: uint32(h.UID)} //nolint:gosec // small numbers
	return command
}

// run runs a command in the namespaces of the host, on a thread that ends with it.
func (h *Host) run(command *exec.Cmd, started chan<- error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := firstError(h.namespace.enter(), h.mount)
		err = firstError(err, command.Start)
		started <- err
		done <- firstError(err, command.Wait)
	}()
	return <-done
}

// Signal sends a signal to the program.
func (p *Process) Signal(s syscall.Signal) {
	p.Host.network.tb.Helper()
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		require.NoError(p.Host.network.tb, err)
	}
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop asks the program to end, and waits.
func (p *Process) Stop(limit time.Duration) {
	tb := p.Host.network.tb
	tb.Helper()
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(limit):
		require.Fail(tb, "the program does not end", "%s on %s: %s", p.command.Path, p.Host.Name, p.Tail(3000))
	}
}

// Tail returns the end of the log.
func (p *Process) Tail(bytes int) string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-bytes):])
}

// PID is the process.
func (p *Process) PID() int { return p.command.Process.Pid }

// Environment returns the environment with which the program runs.
func (p *Process) Environment() map[string]string {
	tb := p.Host.network.tb
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID()), "environ"))
	require.NoError(tb, err)
	out := map[string]string{}
	for variable := range strings.SplitSeq(strings.TrimRight(string(text), "\x00"), "\x00") {
		name, value, _ := strings.Cut(variable, "=")
		out[name] = value
	}
	return out
}
