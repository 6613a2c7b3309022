// Package jobs is the part of the command line that lists, watches and controls jobs of
// every kind. It reads the workflow types from package catalog; the other features
// register how to show progress and results (cli.Kind). It has no code for one pipeline.
package jobs

import (
	"context"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/safetext"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{
		Commands: []*cobra.Command{
			f.statusCommand(), f.watchCommand(), f.listCommand(), f.reportCommand(),
			f.cancelCommand(), f.pauseCommand(), f.resumeCommand(), f.stopCommand(), f.tuneCommand(), f.approveCommand(), f.redriveCommand(),
		},
	}
}

func (a app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [ID]",
		Short: "Show running jobs, and what is stuck and why",
		Long: `Without ID, status shows the running jobs with their progress, the recently finished jobs, and the
workers of each queue. With ID, it shows the progress of a job, each step that waits or is retried,
its attempt and its last error.`,
		Example: `  cogflow status
  cogflow status ingest-default-local_preview-0123456789ab`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeJobs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.Connect(cmd.Context())
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

// overview is the output of `status --json`.
type overview struct {
	Jobs      []execution   `json:"jobs"`
	Pools     []fleet.Queue `json:"pools"`
	NeverTook []unserved    `json:"never_taken,omitempty"` // runs that no worker has ever taken, with the reason

	Budgets    []budgetAlert `json:"budgets,omitempty"`       // that are nearly or wholly spent
	Unreadable string        `json:"budgets_error,omitempty"` // why budgets could not be read
}

const (
	overviewJobs = 15 // maximum number of running jobs
	recentJobs   = 10 // maximum number of finished jobs
)

func (a app) overview(ctx context.Context, c client.Client) error {
	running, more, err := a.running(ctx, c)
	if err != nil {
		return err
	}
	a.askDoing(ctx, c, running)
	ended, err := a.executions(ctx, c, jobsQuery()+" AND ExecutionStatus != 'Running'", recentJobs)
	if err != nil {
		return err
	}
	pools, err := fleet.Ask(ctx, a.App, c)
	if err != nil {
		return err
	}
	left, err := a.neverTaken(ctx, c)
	if err != nil {
		return err
	}
	unreadable := ""
	alerts, err := a.budgetAlerts(ctx)
	if err != nil { // the rest is worth showing
		unreadable = err.Error()
	}
	if a.JSON {
		return a.PrintJSON(overview{Jobs: append(running, ended...), Pools: pools.Queues, NeverTook: left, Budgets: alerts, Unreadable: unreadable})
	}
	a.printRunning(running, more, time.Now())
	a.Say("")
	if len(ended) > 0 {
		a.printExecutions(ended, time.Now())
		a.Say("")
	}
	a.printPools(pools.Queues)
	if len(left) > 0 {
		a.Say("")
		a.printUnserved(left, time.Now())
	}
	if len(alerts) > 0 || unreadable != "" {
		a.Say("")
	}
	for _, alert := range alerts {
		a.Say("%s", alert.text)
	}
	if unreadable != "" {
		a.Say("Budgets are not shown, because the ledger cannot be read: %s", unreadable)
	}
	return nil
}

// runningQuery finds the running jobs.
func runningQuery() string { return jobsQuery() + " AND ExecutionStatus = 'Running'" }

// running lists the newest running jobs, and reports whether there are more.
func (a app) running(ctx context.Context, c client.Client) (jobs []execution, more bool, err error) {
	jobs, err = a.executions(ctx, c, runningQuery(), overviewJobs+1)
	if len(jobs) > overviewJobs {
		return jobs[:overviewJobs], true, err
	}
	return jobs, false, err
}

// askDoing queries the progress of all jobs concurrently. A job that does not answer in time
// has no progress.
func (a app) askDoing(ctx context.Context, q cli.Querier, running []execution) {
	var wg sync.WaitGroup
	for i := range running {
		wg.Go(func() {
			p, ok := a.Progress(ctx, q, running[i].Kind, running[i].WorkflowID)
			if !ok {
				return
			}
			if all := p.Bars(); len(all) > 0 {
				running[i].Doing = safetext.Clean(all[0].Text)
			}
		})
	}
	wg.Wait()
}

func (a app) printRunning(running []execution, more bool, now time.Time) {
	if len(running) == 0 {
		a.Say("No job is running.")
		return
	}
	rows := make([][]string, len(running))
	for i, e := range running {
		rows[i] = []string{e.kindText(), format.OrDash(e.Name), e.WorkflowID, format.Span(now.Sub(e.Started).Truncate(time.Second)), format.OrDash(e.Doing)}
	}
	a.Table([]cli.Column{{Name: "running"}, {Name: "name", Flex: true}, {Name: "id", Below: true}, {Name: "for", Right: true}, {Name: "progress", Flex: true}}, rows)
	if more {
		a.Say("Only the %d newest are shown. List all: cogflow list --status running --limit 1000", overviewJobs)
	}
}

func (a app) printPools(pools []fleet.Queue) {
	rows := make([][]string, len(pools))
	for i, p := range pools {
		state := format.Count(p.Workers, "worker", "workers")
		if p.Workers == 0 {
			state = "no worker: `make up` starts one here"
		}
		rows[i] = []string{p.Queue, humanize.Comma(p.Backlog), state}
	}
	a.Table([]cli.Column{{Name: "queue"}, {Name: "waiting", Right: true}, {Name: "served by", Flex: true}}, rows)
}
