package modelserver

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/panics"
)

// process is the process group of a server: a keeper and what it started.
type process struct {
	cmd    *exec.Cmd
	output *output
	done   chan struct{} // closed when all its processes have ended
}

// outputDelay is how long output of processes that have left the group is read.
const outputDelay = time.Second

// spawn starts a command under a keeper. The keeper ends the whole group when the pipe to this process
// breaks: a server such as vLLM has processes of its own, which a signal at the death of
// this process would not reach.
func spawn(keeper []string, grace time.Duration, command, env []string, out *output) (*process, error) {
	args := slices.Concat(keeper[1:], []string{KeepArg, grace.String()}, command)
	p := &process{cmd: exec.Command(keeper[0], args...), output: out, done: make(chan struct{})} //nolint:gosec,noctx // the configuration names it; stop ends it
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr, p.cmd.WaitDelay = env, out, out, outputDelay
	p.cmd.SysProcAttr = child.Attributes(syscall.SIGTERM)
	life, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	panics.Go(func() error {
		return child.OnOneThread(func() error {
			err := p.cmd.Start()
			started <- err
			if err != nil {
				return err
			}
			err = p.cmd.Wait()
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // what is left of the group; often nothing
			awaitGroup(p.cmd.Process.Pid)
			return err
		})
	}, func(error) { // how it ended is in its state
		_ = life.Close() // it only shows that this process lives
		out.close()
		close(p.done)
	})
	if err := <-started; err != nil {
		return nil, fault.Wrap(fault.Transport, startOp, command[0], err)
	}
	return p, nil
}

// awaitGroup waits until no process of a group is left: one that was killed has its memory for a
// moment longer. Zombies that nobody reaps are never gone, so it does not wait for long.
func awaitGroup(pid int) {
	poll, limit := time.NewTicker(5*time.Millisecond), time.NewTimer(outputDelay)
	defer poll.Stop()
	defer limit.Stop()
	for syscall.Kill(-pid, 0) == nil {
		select {
		case <-poll.C:
		case <-limit.C:
			return
		}
	}
}

// stop ends all processes and waits for their end.
func (p *process) stop(grace time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	timer := time.NewTimer(grace + outputDelay)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C: // the keeper itself hangs
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		<-p.done
	}
}

// usage are exit codes of commands that are called wrongly: by shells, by sysexits.h and by
// most parsers of arguments.
var usage = []int{2, 64, notExecutable, 127} //nolint:gochecknoglobals // a constant

// notExecutable is the exit code of a keeper that cannot start the command.
const notExecutable = 126

// fault says how the process ended.
func (p *process) fault(op, name string) error {
	out := &fault.Error{Class: fault.Transport, Op: op, Subject: name}
	code := p.cmd.ProcessState.ExitCode()
	if slices.Contains(usage, code) {
		out.Class = fault.Input
	}
	out.Reason = fmt.Sprintf("it ended with status %d; its output ends with: %s", code, p.output.tail())
	if code > signalled {
		out.Reason = fmt.Sprintf("it was ended by signal %d (%s); its output ends with: %s", code-signalled, syscall.Signal(code-signalled), p.output.tail())
	}
	return out
}

// signalled and the number of a signal are the exit code of a keeper whose command a signal
// ended.
const signalled = 128

// KeepArg is the first argument of a keeper.
const KeepArg = "keep-model-server"

// Keep runs a keeper if the arguments ask for one: KeepArg, the time from SIGTERM to SIGKILL,
// and a command. It ends with the command. It ends the command and all processes of its group
// when standard input ends, because the process at its other end has died.
func Keep(args []string) (code int, asked bool) {
	if len(args) < 3 || args[0] != KeepArg {
		return 0, false
	}
	grace, err := time.ParseDuration(args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return notExecutable, true
	}
	return keep(grace, args[2:]), true
}
