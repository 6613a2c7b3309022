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

	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/panics"
)

const (
	sigTerm = syscall.SIGTERM
	sigKill = syscall.SIGKILL
)

// linger is how long the pipes of a dead process may stay open: a child that
// left its group holds them as long as it likes.
const linger = 2 * time.Second

// pipeBytes is more than a pipe holds.
const pipeBytes = 4 << 20

// process is a running trainer with its group.
type process struct {
	cmd    *exec.Cmd
	box    *sandbox.Wrapped // nil = it runs in no sandbox
	events *os.File
	late   int // bytes that are still read when the process is long dead
	stderr tail
	ended  chan struct{} // closed when the process is dead and its group killed
	gone   chan struct{} // closed when what it said is read as well

	mu     sync.Mutex
	reaped bool  // the process id may belong to another process
	asked  bool  // we sent SIGTERM
	killed bool  // we sent SIGKILL while it ran
	broken error // see unwatched
	beyond error // the limit of the sandbox that it exceeded; valid when ended is closed
}

// start starts the interpreter as the leader of a process group, with events on descriptor
// 3. What it prints goes with what it logs.
func (r *Runner) start(dir, devices string, log io.Writer, read []string, args ...string) (*process, error) {
	events, eventsChild, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	said, saidChild, err := os.Pipe()
	if err != nil {
		shut(events, eventsChild)
		return nil, err
	}
	cmd, box, err := r.command(dir, devices, eventsChild, read, args...)
	if err != nil {
		shut(events, eventsChild, said, saidChild)
		return nil, err
	}
	p := &process{cmd: cmd, box: box, events: events, late: pipeBytes, ended: make(chan struct{}), gone: make(chan struct{})}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = saidChild, saidChild, attributes()
	started := make(chan error, 1)
	panics.Go(func() error { p.run(started, said, log); return nil }, func(err error) { p.abandoned(started, err) })
	err = <-started
	if box != nil {
		box.Started(p.end)
	}
	shut(eventsChild, saidChild)
	if err != nil {
		shut(events, said)
		return nil, err
	}
	return p, nil
}

func shut(files ...*os.File) {
	for _, file := range files {
		_ = file.Close() // of a pipe: nothing is left to fail
	}
}

// run owns the process from start to end. Its thread stays locked: the kernel
// kills the process (parent-death signal) when the thread that started it ends,
// not when this process does.
func (p *process) run(started chan<- error, said *os.File, log io.Writer) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	prefer(p.cmd.Process.Pid)
	silent := make(chan struct{})
	panics.Go(func() error { p.stderr.read(said, log); return nil }, func(err error) {
		p.unwatched(err)
		close(silent)
	})
	started <- nil

	p.reap()
	if p.box != nil {
		p.beyond = p.box.Ended()
	}
	_ = p.events.SetReadDeadline(time.Now().Add(linger)) // of a pipe, which has deadlines
	_ = said.SetReadDeadline(time.Now().Add(linger))
	close(p.ended)
	<-silent
	shut(said)
	close(p.gone)
}

// unwatched ends a process after the panic of what looks after it; err is nil otherwise.
func (p *process) unwatched(err error) {
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

// abandoned completes a process whose owner has panicked; err is nil otherwise.
func (p *process) abandoned(started chan<- error, err error) {
	if err == nil {
		return
	}
	select {
	case started <- err:
	default:
	}
	if p.cmd.Process != nil {
		p.unwatched(err)
	}
	close(p.ended)
	close(p.gone)
}

// failure is the panic of what looks after the process; nil = none.
func (p *process) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

// Read reads events. After the death of the process it ends when nothing more
// comes, though another process may hold the other end; the reader may have been busy
// meanwhile, so what lies in the pipe is read whatever the time.
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

// watch ends the process when it is no longer wanted: softly after stop or quit,
// at once after ctx or the grace.
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

// terminate asks the process to write a checkpoint and end. Its children are not
// told: a data loader whose worker dies of SIGTERM fails before the checkpoint.
func (p *process) terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.asked = true
		pid := p.cmd.Process.Pid
		if p.box != nil {
			if own := p.box.PID(); own != 0 {
				pid = own // else it has not begun: its sandbox ends
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

// end is kill for what the process itself is the cause of.
func (p *process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.killGroup()
	}
}

func (p *process) killGroup() {
	_ = syscall.Kill(-p.cmd.Process.Pid, sigKill) // no such group = it is gone already
}

// signal is what the process died of; 0 = it exited. Valid when it is gone.
func (p *process) signal() syscall.Signal {
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	if p.box != nil {
		return syscall.Signal(p.box.Signal(p.cmd.ProcessState.ExitCode()))
	}
	return 0
}

// code is the exit code, -1 after a signal. Valid when the process is gone.
func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }
