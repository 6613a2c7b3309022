package main

import (
	"context"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
)

func (a *App) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [ID]",
		Short: "Say what runs, what is stuck and why",
		Long: `Status without ID shows running and recent jobs and which pools have workers. With ID it
says in words what a job is doing: its progress, each step that waits or is retried, the
attempt and what went wrong last.`,
		Example: `  cogflow status
  cogflow status ingest-default-local_preview-0123456789ab`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return a.statusOf(cmd.Context(), c, args[0])
			}
			return a.overview(cmd.Context(), c)
		},
	}
}

// overview is what `status --json` prints.
type overview struct {
	Jobs      []execution `json:"jobs"`
	Pools     []pool      `json:"pools"`
	NeverTook []untaken   `json:"never_taken,omitempty"` // runs that no worker of cogflow has ever taken, with the reason
}

const overviewJobs = 15

func (a *App) overview(ctx context.Context, c client.Client) error {
	jobs, err := a.executions(ctx, c, jobsQuery(), overviewJobs)
	if err != nil {
		return err
	}
	pools, err := a.pools(ctx, c)
	if err != nil {
		return err
	}
	left, err := a.neverTaken(ctx, c)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(overview{Jobs: jobs, Pools: pools, NeverTook: left})
	}
	a.printExecutions(jobs, time.Now())
	a.say("")
	a.printPools(pools)
	if len(left) > 0 {
		a.say("")
		a.printUntaken(left, time.Now())
	}
	return nil
}

func (a *App) printPools(pools []pool) {
	rows := make([][]string, len(pools))
	for i, p := range pools {
		state := count(p.Workers, "worker", "workers")
		if p.Workers == 0 {
			state = "no worker: `make up` starts one here"
		}
		rows[i] = []string{p.Queue, humanize.Comma(p.Backlog), state}
	}
	a.table([]column{{name: "queue"}, {name: "waiting", right: true}, {name: "served by"}}, rows)
}
