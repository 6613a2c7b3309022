package jobs

import (
	"context"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
)

func (a app) approveCommand() *cobra.Command {
	var no bool
	cmd := a.steer("approve ID", "Let a better program that waits for it be promoted",
		`Approve answers an optimization that was started with --approve and has found a better
program: it is promoted, or with --no stays published only. The job then ends.`,
		"  cogflow approve optimize-default-router-0123456789ab\n  cogflow approve ID --no",
		func(ctx context.Context, c client.Client, id string) (string, error) {
			if err := update(ctx, c, id, workflows.UpdateApprove, !no); err != nil {
				return "", err
			}
			if no {
				return "Not promoted. cogflow watch " + id + " shows it end.", nil
			}
			return "Approved. cogflow watch " + id + " shows it end.", nil
		})
	cmd.Flags().BoolVar(&no, "no", false, "do not promote it")
	return cmd
}
