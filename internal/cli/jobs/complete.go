package jobs

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/cogniverse/cogflow/safetext"
)

// completeTimeout bounds what a Tab key waits for.
const completeTimeout = 2 * time.Second

// completeJobs offers the ids of running jobs, then of those that ended last.
func (a app) completeJobs(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	c, err := a.Connect(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	r, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 50, Query: jobsQuery()})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, e := range r.GetExecutions() {
		ids = append(ids, safetext.Clean(e.GetExecution().GetWorkflowId())+"\t"+e.GetType().GetName()+" "+statusText(e.GetStatus()))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
