package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
)

func (a app) watchCommand() *cobra.Command {
	var wait cli.Waiting
	cmd := &cobra.Command{
		Use:   "watch [ID]",
		Short: "Watch a job until it ends and print its result",
		Long: `Watch shows the progress of a job until it ends: stages, speed, loss, time left, cost and failures.
It ends with the job's result and exit code. Ctrl-C stops watching, not the job.

Without ID, watch follows the only running job; if several are running, it lists them.`,
		Example: `  cogflow watch
  cogflow watch ingest-default-local_preview-0123456789ab
  cogflow watch ID --json --quiet`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeJobs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.watch(cmd.Context(), args[0], wait)
			}
			id, err := a.onlyRunning(cmd.Context())
			if err != nil {
				return err
			}
			return a.watch(cmd.Context(), id, wait)
		},
	}
	wait.Flags(cmd, false)
	return cmd
}

// onlyRunning returns the id of the only running job. If there are several, it lists them and
// returns an error.
func (a app) onlyRunning(ctx context.Context) (string, error) {
	c, err := a.Connect(ctx)
	if err != nil {
		return "", err
	}
	running, more, err := a.running(ctx, c)
	switch {
	case err != nil:
		return "", err
	case len(running) == 0:
		return "", errors.New("no job is running; `cogflow list` shows finished jobs")
	case len(running) > 1:
		if !a.JSON {
			a.askDoing(ctx, c, running)
			a.printRunning(running, more, time.Now())
		}
		return "", errors.New("several jobs are running; choose one of them: cogflow watch ID")
	}
	return running[0].WorkflowID, nil
}

func (a app) watch(ctx context.Context, id string, wait cli.Waiting) error {
	c, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	d, err := c.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return err
	}
	return a.Finish(ctx, c, c.GetWorkflow(ctx, id, ""), d.WorkflowType.Name, wait)
}
