// Command cogflow starts, watches and controls cogflow's workflows from a terminal or a
// script. All work on videos, models and the index runs in workers. The command itself uses
// the Temporal server, and some subcommands use the object store or Vespa.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/root"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(root.Run(ctx, cli.Process{Version: version, Args: os.Args[1:], Getenv: os.Getenv, Dir: ".", In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
