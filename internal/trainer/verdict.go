package trainer

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
)

// verdict returns how a process ended. oom: the kernel killed it for its memory.
func verdict(ctx context.Context, job training.Job, p *process, got report, oom bool) error {
	code := p.code()
	switch {
	case got.err == nil && code == training.ExitDone && got.done:
		return nil // even if a stop was requested at the same time
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case got.err != nil:
		return got.err
	case p.signal() != 0:
		return ofSignal(job, p, oom)
	}
	end := func(class fault.Class, reason string, err error) error {
		return &fault.Error{Class: class, Op: op, Subject: job.Job, Reason: reason, Err: err}
	}
	message := clip(got.failure.Message)
	stderr := p.stderr.String()
	switch {
	case code == training.ExitStopped:
		return training.ErrStopped
	case code == training.ExitOutOfMemory:
		return end(fault.Capacity, message, training.ErrOutOfMemory)
	case got.failure.Class == "diverged":
		return end(fault.Input, message+"; "+diverged, nil)
	case code == training.ExitBadJob:
		return end(fault.Input, cmp.Or(message, withTail("the trainer refused the job", stderr)), nil)
	case code == training.ExitDone && got.cut != nil:
		return got.cut
	case code == training.ExitDone:
		return end("", withTail("it exited before the job was done", stderr), nil)
	case missing(stderr):
		return end(fault.Input, withTail("the trainer is not installed completely; "+install, stderr), nil)
	default:
		return end("", withTail(cmp.Or(message, fmt.Sprintf("exit code %d", code)), stderr), nil)
	}
}

// diverged is the advice when the loss is NaN or infinite.
const diverged = "try a lower learning_rate, a longer warmup_steps or a smaller max_grad_norm, or check the dataset for damaged rows"

// ofSignal returns the error for the signal that killed the process. A process that
// crashes (SIGSEGV, SIGABRT) will probably crash again: the error has no class, so it is
// retried only a few times.
func ofSignal(job training.Job, p *process, oom bool) error {
	end := func(class fault.Class, reason string, err error) error {
		return &fault.Error{Class: class, Op: op, Subject: job.Job, Reason: reason, Err: err}
	}
	signal := p.signal()
	switch {
	case p.killed:
		return end(fault.Preempted, "it did not write a checkpoint in time and was killed; the previous checkpoint is used", training.ErrStopped)
	case p.asked && signal == sigTerm:
		return end(fault.Preempted, "it had not started, so nothing new was stored", training.ErrStopped)
	case signal == sigTerm:
		return end(fault.Preempted, "it was stopped from outside before it started", nil)
	case oom:
		return end(fault.Capacity, "the kernel killed it because the host is out of memory", training.ErrOutOfMemory)
	case signal == sigKill:
		return end(fault.Transport, "killed by SIGKILL from outside", nil)
	default:
		return end("", withTail("it crashed: signal: "+signal.String(), p.stderr.String()), nil)
	}
}

// clip limits the length of a text in a message.
func clip(text string) string {
	const longest = 2 << 10
	return safetext.Lines(strings.TrimSpace(text), longest)
}

// withTail adds the end of the process's output.
func withTail(reason, stderr string) string {
	const longest = 2 << 10
	if stderr == "" {
		return reason
	}
	return reason + "; last output: " + safetext.Tail(stderr, longest)
}
