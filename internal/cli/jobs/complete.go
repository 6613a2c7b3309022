package jobs

import (
	"context"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/cogniverse/cogflow/internal/cli"
)

// completedJobs is the maximum number of jobs that a completion offers.
const completedJobs = 50

// Complete completes ids of jobs, for other features.
func Complete(a *cli.App) cobra.CompletionFunc { return app{a}.completeJobs() }

// completeJobs offers the ids of running jobs, then of recently finished jobs.
func (a app) completeJobs() cobra.CompletionFunc {
	return a.CompleteFirst(func(ctx context.Context, _ []string) ([]string, error) {
		c, err := a.Connect(ctx)
		if err != nil {
			return nil, err
		}
		r, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: completedJobs, Query: jobsQuery()})
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, e := range r.GetExecutions() {
			ids = append(ids, e.GetExecution().GetWorkflowId()+"\t"+a.execution(e).kindText()+" "+cli.StatusText(e.GetStatus()))
		}
		return ids, nil
	})
}
