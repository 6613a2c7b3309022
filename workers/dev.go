package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/internal/devstack"
)

// stateDir is where --dev keeps the server's state, beside the other defaults.
const stateDir = devstack.Dir

// The pause before a dead worker is started again, which doubles while workers die within
// aliveAfter of their start.
const (
	restartAtFirst = time.Second
	restartAtMost  = 30 * time.Second
	aliveAfter     = time.Minute
)

// supervise runs a Temporal dev server, unless one is named, and one worker
// process, which it starts again when that dies, but not when its configuration is
// wrong. The worker is a process of its own so that killing it shows what a killed
// worker costs: nothing.
func supervise(ctx context.Context, args []string, getenv func(string) string, c config.Config, stderr io.Writer, logger *zap.Logger) (err error) {
	env := os.Environ()
	if c.Logs == "" {
		if c.Logs, err = filepath.Abs(filepath.Join(stateDir, "logs")); err != nil {
			return err
		}
		env = append(env, "COGFLOW_LOGS="+c.Logs)
	}
	address, ui := getenv("TEMPORAL_ADDRESS"), ""
	if address == "" && getenv("TEMPORAL_CONFIG_FILE") == "" && getenv("TEMPORAL_PROFILE") == "" {
		server, err := startServer(ctx, getenv)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		address, ui = server.Address(), server.UI()
		env = append(env, "TEMPORAL_ADDRESS="+address)
		fmt.Fprintf(stderr, "Temporal  %s\nWeb UI    %s\nStop with Ctrl-C; `make up` carries on where this ends.\n", address, ui)
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() { <-server.Done(); cancel() }()
	}
	remove, err := noteStack(c, getenv, address, ui)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	patience := supervisedTime(c)
	return restarting(ctx, logger, restartAtFirst, func() error { return runWorker(ctx, args, env, patience, stderr) })
}

// restarting runs a worker until ctx ends, again and again when it dies, or until its
// exit code says that it would fail in the same way again.
func restarting(ctx context.Context, logger *zap.Logger, pause time.Duration, run func() error) error {
	atFirst := pause
	for {
		began := time.Now()
		err := run()
		if ctx.Err() != nil {
			return err
		}
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && (exit.ExitCode() == exitConfiguration || exit.ExitCode() == exitUsage) {
			return &stoppedError{exit.ExitCode()}
		}
		if time.Since(began) > aliveAfter {
			pause = atFirst
		}
		logger.Warn("the worker process ended; starting it again", zap.Error(err), zap.Duration("after", pause))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, restartAtMost)
	}
}

func startServer(ctx context.Context, getenv func(string) string) (*devserver.Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	binary, err := devserver.Find(filepath.Dir(self))
	if err != nil {
		return nil, err
	}
	o := devserver.Options{Binary: binary, Dir: stateDir, Port: devserver.DefaultPort, UIPort: devserver.DefaultUIPort}
	for name, port := range map[string]*int{"COGFLOW_PORT": &o.Port, "COGFLOW_UI_PORT": &o.UIPort} {
		if text := getenv(name); text != "" {
			if *port, err = portNumber(text); err != nil {
				return nil, fault.New(fault.Input, "read", name, "must be a port number, not "+strconv.Quote(text))
			}
		}
	}
	if o.Port == o.UIPort {
		return nil, fault.New(fault.Input, "read", "COGFLOW_UI_PORT", "it is the port of the server; choose another one")
	}
	return devserver.Start(ctx, o)
}

// runWorker runs this program without --dev until it ends or ctx does; then it
// is asked to drain. It has a process group of its own, so that Ctrl-C on a
// terminal reaches it once, from here.
func runWorker(ctx context.Context, args, env []string, patience time.Duration, stderr io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "--dev" || strings.HasPrefix(a, "--dev=") })
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // this very program
	cmd.Env, cmd.Stdout, cmd.Stderr = env, stderr, stderr
	cmd.SysProcAttr = childAttributes()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	err = onOneThread(cmd.Run)
	if ctx.Err() != nil && cmd.ProcessState != nil && cmd.ProcessState.Success() {
		return nil // it drained, as it was asked to
	}
	return err
}
