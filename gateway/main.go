// Command cogflow-gateway is the HTTP server in front of cogflow: the API of model servers and of
// jobs. It holds no state of its own. This package only reads the configuration and connects the
// packages in internal/gateway.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/safetext"
)

// version is set by the linker.
var version = "dev"

func main() {
	if os.Getenv("GOGC") == "" {
		// The heap is a few MB: at the default of 100 it would be collected ten times a second.
		debug.SetGCPercent(400)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cogflow-gateway:", safetext.CleanLines(err.Error()))
		os.Exit(program.ExitCode(err))
	}
}
