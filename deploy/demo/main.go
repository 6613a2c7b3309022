// Command cogflow-demo implements `make demo`: it makes three clips, or takes the videos of
// a directory, runs the whole pipeline with the same programs that users run, searches
// the videos, and prints what to try next.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/cogniverse/cogflow/internal/clips"
)

const stateDir = ".cogflow"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	d := demo{
		out: os.Stdout, began: time.Now(), bin: "bin", videos: os.Getenv("VIDEOS"),
		port: os.Getenv("COGFLOW_PORT"), uiPort: os.Getenv("COGFLOW_UI_PORT"),
		stay: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
	}
	err := d.run(ctx)
	stop()
	switch {
	case errors.Is(err, context.Canceled):
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func (d *demo) run(ctx context.Context) (err error) {
	videos, searches := d.videos, generic()
	if videos == "" {
		d.say("Making the clips")
		videos, searches = filepath.Join(stateDir, "demo"), scripted()
		if _, err := clips.Demo(ctx, "ffmpeg", videos); err != nil {
			return err
		}
	}
	stack, err := d.startStack(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.stop()) }()

	d.say("Ingesting %s", videos)
	report, err := d.ingest(ctx, videos)
	if err != nil {
		return err
	}
	d.say("Searching")
	for _, s := range searches {
		if err := d.search(ctx, s); err != nil {
			return err
		}
	}
	if d.videos == "" {
		if err := d.spoken(ctx); err != nil {
			return err
		}
	}
	d.say("Look")
	d.line("report", report)
	d.line("Web UI", d.ui())
	if !d.stay || stack == nil {
		return nil
	}
	fmt.Fprintln(d.out, "\nThe stack keeps running: try `bin/cogflow search WORDS` in another terminal. Ctrl-C stops it.")
	select {
	case <-ctx.Done():
		return nil
	case <-stack.done:
		return stack.failure()
	}
}
