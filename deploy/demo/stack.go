package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	readyLimit = 90 * time.Second
	readyEvery = 500 * time.Millisecond
	drainLimit = 60 * time.Second
)

// stack is `make up` in the background. A nil stack belongs to another process; stop does
// nothing then.
type stack struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
	err  error         // read after done
}

// startStack starts the stack unless one is running, and waits until it is ready.
func (d *demo) startStack(ctx context.Context) (*stack, error) {
	if d.ready(ctx) {
		d.say("Using the stack that already runs")
		return nil, nil //nolint:nilnil // see stack
	}
	d.say("Starting Temporal, its Web UI and a worker")
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, err
	}
	s := &stack{log: filepath.Join(stateDir, "demo.log"), done: make(chan struct{})}
	output, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer output.Close()                                                  // the child has its own descriptor
	s.cmd = exec.Command(filepath.Join(d.bin, "cogflow-worker"), "--dev") //nolint:noctx // stop drains it; a context would kill it
	s.cmd.Stdout, s.cmd.Stderr = output, output
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C signals only the demo, which then drains the stack
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	if err := d.await(ctx, s); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (d *demo) await(ctx context.Context, s *stack) error {
	limit := time.After(readyLimit)
	for !d.ready(ctx) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.done:
			return s.failure()
		case <-limit:
			return fmt.Errorf("the stack is not ready after %s; see %s, and run bin/cogflow health", readyLimit, s.log)
		case <-time.After(readyEvery):
		}
	}
	return nil
}

func (d *demo) ready(ctx context.Context) bool { return d.command(ctx, "health").Run() == nil }

// failure returns why the stack exited.
func (s *stack) failure() error {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err
	}
	return fmt.Errorf("the stack exited unexpectedly (%v):\n%s", s.cmd.ProcessState, text)
}

// stop drains the stack and waits for its end.
func (s *stack) stop() error {
	if s == nil {
		return nil
	}
	select {
	case <-s.done:
		return nil
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.done:
		if s.err != nil {
			return fmt.Errorf("the stack did not stop cleanly (%w); see %s", s.err, s.log)
		}
		return nil
	case <-time.After(drainLimit):
		return fmt.Errorf("the stack (process %d) did not stop; see %s", s.cmd.Process.Pid, s.log)
	}
}
