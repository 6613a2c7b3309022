// Command cogflow-gateway is the HTTP server in front of cogflow: the API of model servers and of
// jobs. It holds no state of its own. This package only reads the configuration and connects the
// packages in internal/gateway.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/safetext"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cogflow-gateway:", safetext.CleanLines(err.Error()))
		os.Exit(program.ExitCode(err))
	}
}
