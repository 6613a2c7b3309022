// Command cogflow-worker serves pools of task queues. It is the only place where adapters
// are built and passed to activities. With --dev it also runs a Temporal dev server and
// restarts its worker process after a crash.
//
// wire.go builds the adapters, models.go connects model endpoints and lms.go language models.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/safetext"
)

// version is set by the linker.
var version = "dev"

func main() {
	if code, asked := modelserver.Keep(os.Args[1:]); asked {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cogflow-worker:", safetext.CleanLines(err.Error()))
		os.Exit(exitCode(err))
	}
}
