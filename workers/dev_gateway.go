package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/safetext"
)

// startGateway starts cogflow-gateway, if it is beside this program, and restarts it when it dies.
// wait is until it has ended after ctx. The worker does not depend on it: without it, only requests
// by HTTP fail.
func startGateway(ctx context.Context, c config.Config, env []string, stderr io.Writer) (wait func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program := filepath.Join(filepath.Dir(self), "cogflow-gateway")
	if _, err := os.Stat(program); err != nil {
		return func() {}, nil //nolint:nilerr // it is not built, as in images of workers
	}
	for _, l := range c.Gateway.Listeners {
		fmt.Fprintf(stderr, "Gateway   http://%s\n", l.Address)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, program) //nolint:gosec // beside this program
			// The worker may serve its metrics at the configured address.
			cmd.Env, cmd.Stdout, cmd.Stderr = append(slices.Clip(env), "COGFLOW_TELEMETRY=off"), stderr, stderr
			cmd.SysProcAttr = child.Attributes(syscall.SIGTERM)
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.WaitDelay = c.Gateway.Drain + restartAtMost
			if err := child.OnOneThread(cmd.Run); err != nil && ctx.Err() == nil {
				fmt.Fprintf(stderr, "The gateway ended (%s); it is started again in %s.\n", safetext.Clean(err.Error()), restartAtMost)
			}
			select {
			case <-time.After(restartAtMost):
			case <-ctx.Done():
			}
		}
	}()
	return func() { <-done }, nil
}
