package jobs

import (
	"context"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
)

func (a app) approveCommand() *cobra.Command {
	var no bool
	cmd := a.steer("approve ID", "Approve or decline the promotion of a program",
		`Approve answers an optimization that was started with --approve and found a better program. The
program is promoted; with --no it is only published. The job then ends.`,
		"  cogflow approve optimize-default-router-0123456789ab\n  cogflow approve ID --no",
		func(ctx context.Context, c client.Client, id string) (string, error) {
			if err := update(ctx, c, id, workflows.UpdateApprove, !no); err != nil {
				return "", err
			}
			if no {
				return "Not promoted. cogflow watch " + id + " shows its end.", nil
			}
			return "Approved. cogflow watch " + id + " shows its end.", nil
		})
	cmd.Flags().BoolVar(&no, "no", false, "do not promote the program")
	return cmd
}
