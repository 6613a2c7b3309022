package jobs

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// steered is the JSON output of the commands below.
type steered struct {
	WorkflowID string `json:"workflow_id"`
	Done       string `json:"done"` // "cancel", "pause", …
}

// steer makes a command that controls one job.
func (a app) steer(use, short, long, example string, do func(ctx context.Context, c client.Client, id string) (done string, err error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeJobs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.Connect(cmd.Context())
			if err != nil {
				return err
			}
			done, err := do(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(steered{WorkflowID: args[0], Done: cmd.Name()})
			}
			a.Say("%s", done)
			return nil
		},
	}
}

func (a app) cancelCommand() *cobra.Command {
	return a.steer("cancel ID", "Cancel a job",
		"Cancel ends a job and everything it started, within seconds. Finished results stay; partial\nresults never become visible. cogflow redrive completes a cancelled job.",
		"  cogflow cancel ingest-default-local_preview-0123456789ab",
		func(ctx context.Context, c client.Client, id string) (string, error) {
			return "Cancelling " + id + ". cogflow watch " + id + " shows its end.", c.CancelWorkflow(ctx, id, "")
		})
}

func (a app) pauseCommand() *cobra.Command {
	return a.steer("pause ID", "Pause a job",
		`Pause lets calls in flight finish and starts nothing new, until cogflow resume. A training run
writes a checkpoint and releases its GPU. A sweep pauses its active runs and starts no others.`,
		"  cogflow pause ID",
		func(ctx context.Context, c client.Client, id string) (string, error) {
			return "Paused " + id + ". cogflow resume " + id + " continues it.", signalJob(ctx, c, id, workflows.SignalPause)
		})
}

func (a app) stopCommand() *cobra.Command {
	return a.steer("stop ID", "End training or optimization early and keep the best so far",
		`Stop ends training after a checkpoint, evaluates the best adapter so far and publishes it, marked
as stopped. A sweep stops its active runs and starts no others. An optimization makes no more trials
and confirms the best so far; if it waits for budget, it publishes the best so far unconfirmed.
cogflow redrive continues from there.`,
		"  cogflow stop train-default-support-0123456789ab",
		func(ctx context.Context, c client.Client, id string) (string, error) {
			return "Stopping " + id + ". cogflow watch " + id + " shows its end.", signalJob(ctx, c, id, workflows.SignalStop)
		})
}

func (a app) resumeCommand() *cobra.Command {
	return a.steer("resume ID", "Resume a paused job", "Resume continues a job that cogflow pause has paused.", "  cogflow resume ID",
		func(ctx context.Context, c client.Client, id string) (string, error) {
			return "Resumed " + id + ".", signalJob(ctx, c, id, workflows.SignalResume)
		})
}

// signalJob sends a signal to a job that supports it. The server would store any other
// signal, and the workflow would never read it.
func signalJob(ctx context.Context, c client.Client, id, name string) error {
	if err := takes(ctx, c, id, name); err != nil {
		return err
	}
	return c.SignalWorkflow(ctx, id, "", name, nil)
}

// takes rejects a signal or an update that the job does not support, or that comes after its end.
func takes(ctx context.Context, c client.Client, id, name string) error {
	d, err := c.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return err
	}
	ended := d.Status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	if kind := d.WorkflowType.Name; !catalog.Takes(kind, name) {
		advice := ": cogflow cancel " + id + " ends it"
		if ended {
			advice = ""
		}
		return cli.Usage("%s is a run of %s, which does not support %s%s", id, safetext.Clean(kind), commandOf(name), advice)
	}
	if ended {
		return fmt.Errorf("%s has ended, so it cannot be changed; `cogflow status %s` says how it ended", id, id)
	}
	return nil
}

// commandOf is the command that sends a signal or an update.
func commandOf(name string) string {
	switch name {
	case workflows.UpdateBudget:
		return "tune --budget"
	case workflows.UpdateConcurrency:
		return "tune --concurrency"
	}
	return name
}

func (a app) tuneCommand() *cobra.Command {
	var concurrency int
	var budget float64
	var cmd *cobra.Command
	cmd = a.steer("tune ID", "Change the concurrency or the budget of a running job",
		"Tune changes a running job: the concurrent videos of an ingest, or the hard limit in USD. A job that\nwaits for budget continues when the limit is raised.",
		"  cogflow tune ID --concurrency 16\n  cogflow tune ID --budget 50",
		func(ctx context.Context, c client.Client, id string) (string, error) {
			flags := cmd.Flags()
			if !flags.Changed("concurrency") && !flags.Changed("budget") {
				return "", cli.Usage("--concurrency N or --budget USD is required")
			}
			if err := cli.CheckBudget(budget); err != nil {
				return "", err
			}
			if flags.Changed("concurrency") {
				if err := update(ctx, c, id, workflows.UpdateConcurrency, concurrency); err != nil {
					return "", err
				}
			}
			if flags.Changed("budget") {
				if err := update(ctx, c, id, workflows.UpdateBudget, budget); err != nil {
					return "", err
				}
			}
			return "Tuned " + id + ".", nil
		})
	cmd.Flags().IntVar(&concurrency, "concurrency", 0, "maximum number of concurrent videos, 1 to 256")
	cmd.Flags().Float64Var(&budget, "budget", 0, "hard limit in USD; 0 = none")
	return cmd
}

// update waits until the job has accepted or rejected the new value.
func update(ctx context.Context, c client.Client, id, name string, value any) error {
	if err := takes(ctx, c, id, name); err != nil {
		return err
	}
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, Args: []any{value}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, nil)
}
