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
	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/internal/devstack"
	"github.com/cogniverse/cogflow/internal/program"
)

// stateDir is the directory of the server's state with --dev.
const stateDir = devstack.Dir

// The pause before a restart of the worker begins with restartAtFirst and doubles up to
// restartAtMost. It is reset after a worker that ran for longer than aliveAfter.
const (
	restartAtFirst = time.Second
	restartAtMost  = 30 * time.Second
	aliveAfter     = time.Minute
)

// supervise runs a Temporal dev server, unless another server is configured, and one worker
// process. It restarts the worker after a crash, but not after a configuration error. The
// worker is a separate process, so that users can kill it to see the recovery.
func supervise(ctx context.Context, args []string, getenv func(string) string, c config.Config, stderr io.Writer, logger *zap.Logger) (err error) {
	env := os.Environ()
	set, err := inState(&c)
	if err != nil {
		return err
	}
	env = append(env, set...)
	address, ui := getenv("TEMPORAL_ADDRESS"), ""
	if address == "" && getenv("TEMPORAL_CONFIG_FILE") == "" && getenv("TEMPORAL_PROFILE") == "" {
		server, err := startServer(ctx, getenv)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		address, ui = server.Address(), server.UI()
		env = append(env, "TEMPORAL_ADDRESS="+address)
		fmt.Fprintf(stderr, "Temporal  %s\nWeb UI    %s\nStop with Ctrl-C; `make up` continues from the stored state.\n", address, ui)
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() { <-server.Done(); cancel() }()
	}
	small, err := startSmall(&c, stderr)
	if err != nil {
		return err
	}
	if small != nil {
		defer func() { err = errors.Join(err, small.Stop()) }()
		env = append(env, smallVariable+"="+c.SmallModels)
	}
	remove, err := writeStackFile(c, getenv, address, ui)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	ctx, stop := context.WithCancel(ctx)
	wait, err := startGateway(ctx, c, env, stderr)
	if err != nil {
		stop()
		return err
	}
	defer func() { stop(); wait() }()
	stopTime := supervisedTime(c)
	return restarting(ctx, logger, restartAtFirst, func() error { return runWorker(ctx, args, env, stopTime, stderr) })
}

// inState sets the folders that are not configured to folders of the state, and returns them as variables of
// the worker and the gateway.
func inState(c *config.Config) (env []string, err error) {
	for _, f := range []struct {
		path           *string
		name, variable string
	}{{&c.Logs, "logs", "COGFLOW_LOGS"}, {&c.Training.ModelsDir, "models", "COGFLOW_TRAINING_MODELS_DIR"}} {
		if *f.path != "" {
			continue
		}
		if *f.path, err = filepath.Abs(filepath.Join(stateDir, f.name)); err != nil {
			return nil, err
		}
		env = append(env, f.variable+"="+*f.path)
	}
	return env, nil
}

// restarting runs a worker and restarts it until ctx ends, or until its exit code says that a
// restart does not help.
func restarting(ctx context.Context, logger *zap.Logger, pause time.Duration, run func() error) error {
	atFirst := pause
	for {
		began := time.Now()
		err := run()
		if ctx.Err() != nil {
			return err
		}
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && (exit.ExitCode() == program.ExitConfiguration || exit.ExitCode() == program.ExitUsage) {
			return &stoppedError{exit.ExitCode()}
		}
		if time.Since(began) > aliveAfter {
			pause = atFirst
		}
		logger.Warn("the worker process ended; restarting it", zap.Error(err), zap.Duration("after", pause))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, restartAtMost)
	}
}

func startServer(ctx context.Context, getenv func(string) string) (*devserver.Kept, error) {
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
		return nil, fault.New(fault.Input, "read", "COGFLOW_UI_PORT", "must differ from COGFLOW_PORT, the port of the server")
	}
	return devserver.Keep(ctx, o)
}

// runWorker runs this program without --dev until it exits. When ctx ends, the worker gets
// SIGTERM and drains. It has its own process group, so that Ctrl-C on a terminal reaches it
// only through this function.
func runWorker(ctx context.Context, args, env []string, stopTime time.Duration, stderr io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "--dev" || strings.HasPrefix(a, "--dev=") })
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // the path of this program
	cmd.Env, cmd.Stdout, cmd.Stderr = env, stderr, stderr
	cmd.SysProcAttr = child.Attributes(syscall.SIGTERM)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	err = child.OnOneThread(cmd.Run)
	if ctx.Err() != nil && cmd.ProcessState != nil && cmd.ProcessState.Success() {
		return nil // the worker drained as requested
	}
	return err
}
