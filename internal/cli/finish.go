package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows"
)

// Waiting holds the options of a command that starts or watches a job.
type Waiting struct {
	detach bool
	cancel bool // --cancel-on-interrupt
}

// Flags adds --cancel-on-interrupt and, if detach is true, --detach.
func (w *Waiting) Flags(cmd *cobra.Command, detach bool) {
	if detach {
		cmd.Flags().BoolVar(&w.detach, "detach", false, "start the job and return at once")
	}
	cmd.Flags().BoolVar(&w.cancel, "cancel-on-interrupt", false, "Ctrl-C also cancels the job")
}

// Started is the JSON output of --detach.
type Started struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	UI         string `json:"ui"`
}

// Launch starts a job, or attaches to the running job with its id, and waits for it unless
// detached.
func (a *App) Launch(ctx context.Context, j Job, wait Waiting) error {
	if len(j.ID) > workflows.MaxWorkflowID {
		return Usage("--id has %d bytes; the limit is %d", len(j.ID), workflows.MaxWorkflowID)
	}
	if a.plan != nil {
		return a.plan.take(j)
	}
	if j.DryRun {
		j.ID, j.Summary = submit.DryRunID(j.ID), "dry run: "+j.Summary
	}
	c, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	run, attached, err := a.Start(ctx, c, j)
	if err != nil {
		return err
	}
	switch {
	case attached:
		a.Note("%s is already running with its original settings; attached to it.", run.GetID())
	case !a.Quiet:
		a.Note("Started %s", run.GetID())
	}
	if !a.Quiet || attached {
		a.Note("Web UI: %s", a.Where.Link(run.GetID(), run.GetRunID()))
	}
	if wait.detach {
		return a.Detached(run.GetID(), run.GetRunID())
	}
	return a.Finish(ctx, c, run, j.Kind, wait)
}

// Detached prints the ids and the Web UI link of a detached job.
func (a *App) Detached(id, runID string) error {
	if a.JSON {
		return a.PrintJSON(Started{WorkflowID: id, RunID: runID, UI: a.Where.Link(id, runID)})
	}
	a.Say("%s", id)
	return nil
}

// Finish watches a job until it ends and prints its result.
func (a *App) Finish(ctx context.Context, c client.Client, run client.WorkflowRun, kind string, wait Waiting) error {
	a.About = run.GetID()
	shown := kind
	if a.Quiet {
		shown = ""
	}
	raw, err := a.follow(ctx, c, run, shown, a.View())
	if ctx.Err() != nil {
		return a.left(c, run.GetID(), wait)
	}
	if err != nil {
		return err
	}
	return a.result(kind, run.GetID(), raw)
}

func (a *App) left(c client.Client, id string, wait Waiting) error {
	if !wait.cancel {
		return interrupted("stopped watching; the job continues. cogflow watch %s shows it again, cogflow cancel %s ends it.", id, id)
	}
	if err := CancelSoon(c, id); err != nil {
		return interrupted("stopped watching; cancelling failed: %v", err)
	}
	return interrupted("cancelled; cogflow redrive %s completes it.", id)
}

// result prints the result of a finished job; failed items give exit code 3.
func (a *App) result(kind, id string, raw json.RawMessage) error {
	var counts struct {
		Failed int `json:"failed"`
	}
	if err := json.Unmarshal(raw, &counts); err != nil {
		return fmt.Errorf("read the result of %s: %w", id, err)
	}
	var err error
	if a.JSON {
		err = a.PrintJSON(raw)
	} else {
		err = a.PrintResult(kind, id, raw)
	}
	if err != nil {
		return err
	}
	if counts.Failed > 0 {
		return &ExitError{Code: ExitPartial}
	}
	return nil
}
