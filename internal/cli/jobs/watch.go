package jobs

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
)

func (a app) watchCommand() *cobra.Command {
	var wait cli.Waiting
	cmd := &cobra.Command{
		Use:   "watch ID",
		Short: "Watch a job until it ends and print its result",
		Long: `Watch shows the progress of a job until it ends: stages, speed, loss, time left, cost and failures.
It ends with the job's result and exit code. Ctrl-C stops watching, not the job.`,
		Example: `  cogflow watch ingest-default-local_preview-0123456789ab
  cogflow watch ID --json --quiet`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.watch(cmd.Context(), args[0], wait)
		},
	}
	wait.Flags(cmd, false)
	return cmd
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
