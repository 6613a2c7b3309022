package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
)

// waiting is how a command that starts or watches long work behaves.
type waiting struct {
	detach bool
	cancel bool // --cancel-on-interrupt
}

func (w *waiting) flags(cmd *cobra.Command, detach bool) {
	if detach {
		cmd.Flags().BoolVar(&w.detach, "detach", false, "start the job and return at once")
	}
	cmd.Flags().BoolVar(&w.cancel, "cancel-on-interrupt", false, "Ctrl-C cancels the job too")
}

// started is what --detach prints.
type started struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	UI         string `json:"ui"`
}

// began says what runs now and, unless detached, waits for it.
func (a *App) began(ctx context.Context, c client.Client, run client.WorkflowRun, kind string, attached bool, wait waiting) error {
	link := a.Where.Link(run.GetID(), run.GetRunID())
	switch {
	case attached:
		a.note("%s is running already, with the settings it was started with; attached to it.", run.GetID())
	case !a.Quiet:
		a.note("Started %s", run.GetID())
	}
	if !a.Quiet || attached {
		a.note("Web UI: %s", link)
	}
	if wait.detach {
		return a.detached(run.GetID(), run.GetRunID())
	}
	return a.finish(ctx, c, run, kind, wait)
}

func (a *App) detached(id, runID string) error {
	if a.JSON {
		return a.printJSON(started{WorkflowID: id, RunID: runID, UI: a.Where.Link(id, runID)})
	}
	a.say("%s", id)
	return nil
}

// finish watches a job to its end and prints its result.
func (a *App) finish(ctx context.Context, c client.Client, run client.WorkflowRun, kind string, wait waiting) error {
	a.About = run.GetID()
	shown := kind
	if a.Quiet {
		shown = ""
	}
	raw, err := a.follow(ctx, c, run, shown, a.view())
	if ctx.Err() != nil {
		return a.left(c, run.GetID(), wait)
	}
	if err != nil {
		return err
	}
	return a.result(kind, run.GetID(), raw)
}

func (a *App) left(c client.Client, id string, wait waiting) error {
	if !wait.cancel {
		return interrupted("stopped watching; the job goes on. cogflow watch %s shows it again, cogflow cancel %s ends it.", id, id)
	}
	if err := cancelSoon(c, id); err != nil {
		return interrupted("stopped watching; cancelling failed: %v", err)
	}
	return interrupted("cancelled; cogflow redrive %s finishes it.", id)
}

// result prints what a finished job returned; failed items make exit code 3.
func (a *App) result(kind, id string, raw json.RawMessage) error {
	var counts struct {
		Failed int `json:"failed"`
	}
	if err := json.Unmarshal(raw, &counts); err != nil {
		return fmt.Errorf("read the result of %s: %w", id, err)
	}
	var err error
	if a.JSON {
		err = a.printJSON(raw)
	} else {
		err = a.printResult(kind, id, raw)
	}
	if err != nil {
		return err
	}
	if counts.Failed > 0 {
		return &ExitError{Code: exitPartial}
	}
	return nil
}
