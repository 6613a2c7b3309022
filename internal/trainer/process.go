package trainer

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/panics"
)

const (
	sigTerm = syscall.SIGTERM
	sigKill = syscall.SIGKILL
)

// linger is how long the pipes of a dead process are still read: a child that left
// the process group may keep them open.
const linger = 2 * time.Second

// pipeBytes is more than the capacity of a pipe.
const pipeBytes = 4 << 20

// process is a running trainer with its group.
type process struct {
	cmd    *exec.Cmd
	box    *sandbox.Wrapped // nil = it runs without a sandbox
	events *os.File
	late   int // bytes that are still read after linger
	stderr tail
	ended  chan struct{} // closed when the process is dead and its group killed
	gone   chan struct{} // closed when its output is read as well

	mu     sync.Mutex
	reaped bool  // the process id may belong to another process
	asked  bool  // this process sent SIGTERM
	killed bool  // this process sent SIGKILL while it ran
	broken error // see onPanic
	beyond error // the limit of the sandbox that it exceeded; valid when ended is closed
}

// start starts the interpreter as the leader of a process group, with events on descriptor
// 3. Its stdout is merged into stderr.
func (r *Runner) start(dir, devices string, log io.Writer, read []string, args ...string) (*process, error) {
	events, eventsChild, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	output, outputChild, err := os.Pipe()
	if err != nil {
		closeAll(events, eventsChild)
		return nil, err
	}
	cmd, box, err := r.command(dir, devices, eventsChild, read, args...)
	if err != nil {
		closeAll(events, eventsChild, output, outputChild)
		return nil, err
	}
	p := &process{cmd: cmd, box: box, events: events, late: pipeBytes, ended: make(chan struct{}), gone: make(chan struct{})}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = outputChild, outputChild, child.Attributes(syscall.SIGKILL)
	started := make(chan error, 1)
	panics.Go(func() error { p.run(started, output, log); return nil }, func(err error) { p.onOwnerPanic(started, err) })
	err = <-started
	if box != nil {
		box.Started(p.end)
	}
	closeAll(eventsChild, outputChild)
	if err != nil {
		closeAll(events, output)
		return nil, err
	}
	return p, nil
}

func closeAll(files ...*os.File) {
	for _, file := range files {
		_ = file.Close() // of a pipe; the error does not matter
	}
}

// run owns the process from start to end. Its thread stays locked: the kernel
// kills the process (parent-death signal) when the thread that started it ends,
// not when this process does.
func (p *process) run(started chan<- error, output *os.File, log io.Writer) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	preferForOOM(p.cmd.Process.Pid)
	silent := make(chan struct{})
	panics.Go(func() error { p.stderr.read(output, log); return nil }, func(err error) {
		p.onPanic(err)
		close(silent)
	})
	started <- nil

	p.reap()
	if p.box != nil {
		p.beyond = p.box.Ended()
	}
	_ = p.events.SetReadDeadline(time.Now().Add(linger)) // a pipe supports deadlines
	_ = output.SetReadDeadline(time.Now().Add(linger))
	close(p.ended)
	<-silent
	closeAll(output)
	close(p.gone)
}

// onPanic ends a process after a panic of a goroutine that serves it; err is nil otherwise.
func (p *process) onPanic(err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	if p.broken == nil {
		p.broken = err
	}
	p.mu.Unlock()
	p.kill()
}

// onOwnerPanic completes a process whose owner panicked; err is nil otherwise.
func (p *process) onOwnerPanic(started chan<- error, err error) {
	if err == nil {
		return
	}
	select {
	case started <- err:
	default:
	}
	if p.cmd.Process != nil {
		p.onPanic(err)
	}
	close(p.ended)
	close(p.gone)
}

// failure is the panic of a goroutine that serves the process; nil = none.
func (p *process) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

// Read reads events. After the process has ended, it returns EOF when the pipe is empty,
// even if another process still has the other end open. It always reads what is in the
// pipe, because the reader may have been busy meanwhile.
func (p *process) Read(b []byte) (int, error) {
	n, err := p.events.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	b = b[:min(len(b), p.late)]
	_ = p.events.SetReadDeadline(time.Now().Add(linger / 20))
	if len(b) > 0 {
		n, err = p.events.Read(b)
	}
	p.late -= n
	if n == 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		return n, io.EOF
	}
	return n, err
}

// watch ends the process: with SIGTERM after stop or quit, and with SIGKILL when ctx
// ends or the grace period is over.
func (p *process) watch(ctx context.Context, grace time.Duration, stop, quit <-chan struct{}) {
	select {
	case <-p.ended:
		return
	case <-ctx.Done():
		p.kill()
		return
	case <-stop:
	case <-quit:
	}
	p.terminate()
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-p.ended:
		return
	case <-ctx.Done():
	case <-patience.C:
	}
	p.kill()
}

// terminate asks the process to write a checkpoint and exit. Its children get no signal:
// if a worker of a data loader died of SIGTERM, the process would fail before the checkpoint.
func (p *process) terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.asked = true
		pid := p.cmd.Process.Pid
		if p.box != nil {
			if own := p.box.PID(); own != 0 {
				pid = own // otherwise it has not started: its sandbox ends
			}
		}
		_ = syscall.Kill(pid, sigTerm) // it may be dead already
	}
}

// kill ends the process and its group at once.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.killed = true
		p.killGroup()
	}
}

// end is kill for a reason that the process itself caused.
func (p *process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.killGroup()
	}
}

func (p *process) killGroup() {
	_ = syscall.Kill(-p.cmd.Process.Pid, sigKill) // ESRCH: the group has ended already
}

// signal is the signal that killed the process; 0 = it exited. Valid when it has ended.
func (p *process) signal() syscall.Signal {
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	if p.box != nil {
		return syscall.Signal(p.box.Signal(p.cmd.ProcessState.ExitCode()))
	}
	return 0
}

// code is the exit code, -1 after a signal. Valid when the process has ended.
func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }
