package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"
)

// completeTimeout bounds what a Tab key waits for.
const completeTimeout = 2 * time.Second

// completeJobs offers the ids of running jobs, then of those that ended last.
func (a *app) completeJobs(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	c, err := a.connect(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	r, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 50, Query: jobsQuery()})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, e := range r.GetExecutions() {
		ids = append(ids, clean(e.GetExecution().GetWorkflowId())+"\t"+e.GetType().GetName()+" "+statusText(e.GetStatus()))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// completeProfiles offers the configured profiles for --profile.
func (a *app) completeProfiles(cmd *cobra.Command) {
	err := cmd.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		c, err := a.config()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var names []string
		for _, p := range c.Profiles() {
			names = append(names, p.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic("cogflow: " + err.Error()) // the flag is ours and is registered once
	}
}
