package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/panics"
)

// ErrWall is the cause when a child exceeded its wall-clock limit.
var ErrWall = errors.New("wall-clock limit exceeded")

// ErrOutput is returned when a child wrote more than the limit of Run.
var ErrOutput = errors.New("output limit exceeded")

// ErrMemory is the cause when all processes of a child together needed more memory than
// Limits.Total allows.
var ErrMemory = errors.New("memory limit exceeded")

// ErrProcesses is the cause when a child needed more processes and threads than
// Limits.Processes allows.
var ErrProcesses = errors.New("limit of the number of processes exceeded")

// stderrTail is how many bytes from the end of a child's stderr are kept.
const stderrTail = 8 << 10

// Limits apply to a child and each of its children. Zero means no limit, except
// for FileSize: 0 means that no file may be written.
type Limits struct {
	Wall     time.Duration // wall-clock time
	CPU      time.Duration // processor time
	Memory   uint64        // bytes of address space, of each process
	Total    uint64        // bytes of memory of all processes, where control groups can be made or Wrap is used
	FileSize uint64        // bytes per file
	Files    uint64        // open descriptors

	// Processes is the maximum number of processes and threads. Protection says how
	// it is enforced.
	Processes uint64
}

// Command is one child.
type Command struct {
	Path   string // absolute
	Args   []string
	Stdin  io.Reader  // nil = empty
	Files  []*os.File // descriptors 3, 4, …, six at most; "/dev/fd/3" opens the first
	Dir    string     // the only directory that it may write, and its working directory; empty = none
	Read   []string   // absolute paths that it may read besides /usr and the directory of its program
	Limits Limits
	Stderr func(line string) // receives each line of stderr, one call at a time; may be nil

	// ReadOnly prevents the child from changing any file, by name or by a descriptor.
	// Otherwise it can write to Files if its user has write permission.
	ReadOnly bool

	Write   []string // more absolute directories that it may write, by their own names; if Dir is the first, it keeps its name
	Devices []string // more device files that it may use, such as those of a GPU
	Env     []string // its environment; nil = empty

	bwrap []string // more of bubblewrap's flags
}

// ExitError says how a child failed.
type ExitError struct {
	Status string // "exit status 1", "signal: killed"
	Stderr string // the last 8 KiB of stderr
}

// Error returns the status and the end of stderr.
func (e *ExitError) Error() string {
	if e.Stderr == "" {
		return e.Status
	}
	return e.Status + ": " + e.Stderr
}

// Process is a running child. Read Stdout to its end (or Kill), then Wait.
type Process struct {
	Stdout io.Reader

	ctx      context.Context //nolint:containedctx // when it ends, the child is killed
	release  context.CancelFunc
	cmd      *exec.Cmd
	stdout   *os.File
	stderr   *tail
	group    *group        // nil = no control group
	complete chan struct{} // closed when the child and all its processes have ended
	status   error         // valid when complete is closed

	mu     sync.Mutex
	reaped bool // the process id may belong to another process
}

// Start starts a child, which is killed with its whole group when ctx ends.
func (s *Sandbox) Start(ctx context.Context, c Command) (*Process, error) {
	cmd, in, release, err := s.command(c)
	if err != nil {
		return nil, fault.Disk("start process", c.Path, err)
	}
	defer release()
	p := &Process{complete: make(chan struct{}), stderr: &tail{line: c.Stderr}, cmd: cmd, group: in}
	p, err = p.start(ctx, c)
	if err != nil {
		in.remove()
	}
	return p, err
}

// command returns c under the active protection, not yet started. Call release after the
// start, and remove the group after the end.
func (s *Sandbox) command(c Command) (cmd *exec.Cmd, in *group, release func(), err error) {
	if len(c.Files) > maxFiles {
		return nil, nil, nil, errFiles
	}
	life, err := alive()
	if err != nil {
		return nil, nil, nil, err
	}
	files := append(slices.Clone(c.Files), life[0])
	release = func() {}
	var visible []string
	if s.bwrap != "" {
		if visible, err = s.visible(c); err != nil {
			return nil, nil, nil, err
		}
		f, err := s.filterFile(c.ReadOnly)
		if err != nil {
			return nil, nil, nil, err
		}
		files, release = append(files, f), func() { closeAll(f) }
	}
	if s.groups != nil && (c.Limits.Processes > 0 || c.Limits.Total > 0) {
		if in, err = s.groups.make(c.Limits); err != nil {
			release()
			return nil, nil, nil, err
		}
	}
	const firstFile = 3
	aliveFD := firstFile + len(c.Files)
	argv := s.wrap(c, visible, aliveFD+1)
	cmd = &exec.Cmd{
		Path: sh, Args: endWithParent(argv, aliveFD, in), Err: missing(argv[0]), Env: []string{}, Dir: "/",
		Stdin: c.Stdin, ExtraFiles: files, SysProcAttr: child.Attributes(syscall.SIGKILL),
	}
	if c.Env != nil {
		cmd.Env = c.Env
	}
	if c.Dir != "" {
		cmd.Dir = c.Dir
	}
	return cmd, in, release, nil
}

// missing returns the error of starting a program that cannot be run: the shell that
// starts it would only print a message.
func missing(program string) error {
	_, err := exec.LookPath(program)
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Err
	}
	return err
}

// filterFile returns a file from which bubblewrap reads the system call filter.
func (s *Sandbox) filterFile(readOnly bool) (*os.File, error) {
	at := 0
	if readOnly {
		at = 1
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_, err = w.Write(s.filters[at]) // far less than the capacity of a pipe
	closeAll(w)
	return r, err
}

func (p *Process) start(ctx context.Context, c Command) (*Process, error) {
	files, err := p.pipes() // the reading end of stderr, then the child's two ends
	if err != nil {
		return nil, fault.Disk("start process", c.Path, err)
	}
	p.release = func() {}
	p.ctx = ctx
	if c.Limits.Wall > 0 {
		p.ctx, p.release = context.WithTimeoutCause(ctx, c.Limits.Wall, ErrWall)
	}
	started := make(chan error, 1)
	panics.Go(func() error { p.run(started, c.Limits, files[0]); return nil }, func(err error) { p.broken(started, err) })
	err = <-started
	closeAll(files[1:]...)
	if err != nil {
		p.release()
		closeAll(files[0], p.stdout)
		return nil, StartFault("start process", c.Path, err)
	}
	return p, nil
}

// StartFault classifies why a child could not be started.
func StartFault(op, path string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return fault.Wrap(fault.Input, op, path, err)
	case errors.Is(err, syscall.EAGAIN) && fault.ClassOf(err) == "":
		return &fault.Error{Class: fault.Capacity, Op: op, Subject: path, Reason: "no more processes can be started; raise ulimit -u or pids.max", Err: err}
	}
	return fault.Disk(op, path, err)
}

// pipes connects stdout and stderr; it returns the reading end of stderr and
// the two ends that belong to the child.
func (p *Process) pipes() ([]*os.File, error) {
	out, outChild, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errs, errsChild, err := os.Pipe()
	if err != nil {
		closeAll(out, outChild)
		return nil, err
	}
	if p.stderr.raw, err = errs.SyscallConn(); err != nil {
		closeAll(out, outChild, errs, errsChild)
		return nil, err
	}
	p.Stdout, p.stdout = out, out
	p.cmd.Stdout, p.cmd.Stderr = outChild, errsChild
	return []*os.File{errs, outChild, errsChild}, nil
}

// closeAll closes ends of pipes; their errors do not matter.
func closeAll(files ...*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}

// run owns the child from start to end. Its thread stays locked: the kernel
// kills the child (parent-death signal) when the thread that started it ends,
// not when the process does. endWithParent covers the child's own children.
func (p *Process) run(started chan<- error, limits Limits, stderr *os.File) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	setLimits(p.cmd.Process.Pid, limits)
	stop := context.AfterFunc(p.ctx, p.Kill)
	silent := make(chan struct{})
	var broken error
	panics.Go(func() error { p.stderr.read(); return nil }, func(err error) {
		if broken = err; err != nil {
			p.Kill() // its stderr is no longer read
		}
		close(silent)
	})
	started <- nil

	p.reap()
	stop()
	exhausted := p.group.exhausted()
	// EOF on stderr means that every process that had it open has ended.
	select {
	case <-silent:
	case <-time.After(2 * time.Second):
	}
	closeAll(stderr)
	<-silent
	p.group.remove()
	if exhausted && p.status != nil {
		p.status = ErrMemory
	}
	if broken != nil {
		p.status = broken
	}
	close(p.complete)
}

// broken completes a child whose owner has panicked; err is nil otherwise.
func (p *Process) broken(started chan<- error, err error) {
	if err == nil {
		return
	}
	select {
	case started <- err: // start still waits for this
	default:
	}
	if p.cmd.Process != nil {
		p.Kill()
	}
	p.group.remove()
	p.status = err
	close(p.complete)
}

// Kill ends the child and its group at once.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		killGroup(p.cmd.Process)
	}
}

// Drain hands on the lines that the child has written to stderr so far. What it had said
// before it wrote a part of Stdout is known then, once that part has been read.
func (p *Process) Drain() { p.stderr.drain() }

// Wait returns when all processes of the child have ended: nil after exit status 0, the
// cause if its context ended (ErrWall for the limit), else an *ExitError.
func (p *Process) Wait() error {
	<-p.complete
	closeAll(p.stdout)
	defer p.release()
	if p.status == nil {
		return nil
	}
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	if _, broken := errors.AsType[*panics.Error](p.status); broken || errors.Is(p.status, ErrMemory) {
		return p.status
	}
	return &ExitError{Status: p.status.Error(), Stderr: p.stderr.String()}
}

// Run runs a child to its end and returns what it wrote, at most limit bytes.
func (s *Sandbox) Run(ctx context.Context, c Command, limit int64) ([]byte, error) {
	p, err := s.Start(ctx, c)
	if err != nil {
		return nil, err
	}
	out, readErr := io.ReadAll(io.LimitReader(p.Stdout, limit+1))
	if int64(len(out)) > limit {
		p.Kill()
		_ = p.Wait() // killed here
		return nil, fmt.Errorf("%w: %d bytes", ErrOutput, limit)
	}
	if err := p.Wait(); err != nil {
		return nil, err
	}
	return out, readErr
}
