// Package logs is the part of the command line that shows the log lines of a job. It reads
// the lines of workers from where they are collected, from the files that the configuration names or from standard input, and
// the lines of trainers from the object store. It changes nothing.
package logs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/workflows"
)

type app struct{ *cli.App }

// Feature returns the commands of the package. jobs completes ids of jobs.
func Feature(a *cli.App, jobs cobra.CompletionFunc) cli.Feature {
	return cli.Feature{Commands: []*cobra.Command{app{a}.command(jobs)}}
}

// options are the flags of `logs`.
type options struct {
	id, run string
	level   string
	worker  string // file with lines of workers; "-" = standard input; empty = what is collected, else the configuration's folder
	follow  bool
	tail    int
}

const maxTail = 1_000_000

func (a app) command(jobs cobra.CompletionFunc) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "logs ID",
		Short: "Show the log lines of a job",
		Long: `Logs shows the lines of a job in the order of time: what workers logged about it and about the
workflows that it started, and what its trainers printed. Trainers' lines come from the object
store. Workers' lines come from Loki (LOKI_ADDR) or from files that a collector writes
(COGFLOW_COLLECTED_LOGS), which have the lines of all hosts, else from the folder cogflow.logs of
this host, which make up sets. Or pipe the logs of the workers into --worker-log -.`,
		Example: `  cogflow logs train-default-support-0123456789ab
  cogflow logs ID --follow
  cogflow logs ID --level warn --json
  LOKI_ADDR=http://loki:3100 cogflow logs ID
  docker compose logs --no-color --no-log-prefix | cogflow logs ID --worker-log -`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: jobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return a.logs(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.run, "run", "", "show only this run of the workflow, by its run id")
	f.StringVar(&o.level, "level", "debug", "lowest level to show:  "+strings.Join(levels(), ", ")+"; trainers' lines are info")
	f.StringVar(&o.worker, "worker-log", "", "read workers' lines from this `file`, or from standard input: -")
	f.BoolVarP(&o.follow, "follow", "f", false, "show new lines until the job ends")
	f.IntVar(&o.tail, "tail", 1000, "show at most this many of the last lines; 0 = all")
	cli.OfferWords(cmd, "level", levels()...)
	return cmd
}

func levels() []string { return []string{"debug", "info", "warn", "error"} }

func (o options) check(json bool) error {
	if err := cli.CheckOneOf("level", o.level, levels()); err != nil {
		return err
	}
	switch {
	case o.follow && json:
		return cli.Usage("--follow and --json cannot be combined: --json prints one document at the end")
	case o.follow && o.worker != "":
		return cli.Usage("--follow and --worker-log cannot be combined")
	}
	return cli.CheckRange("tail", o.tail, 0, maxTail)
}

// printed is the output of `logs --json`.
type printed struct {
	WorkflowID string `json:"workflow_id"`
	LeftOut    int    `json:"left_out"` // omitted earlier lines; see --tail
	Lines      []line `json:"lines"`
}

func (a app) logs(ctx context.Context, o options) error {
	if err := o.check(a.JSON); err != nil {
		return err
	}
	c, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	d, err := c.DescribeWorkflow(ctx, o.id, o.run)
	if err != nil {
		return err
	}
	s, err := a.sources(ctx, c, o, d.WorkflowExecution.RunID)
	if err != nil {
		return err
	}
	all, err := s.next(ctx)
	if err != nil {
		return err
	}
	left := 0
	if o.tail > 0 && len(all) > o.tail {
		left = len(all) - o.tail
		all = all[left:]
	}
	if a.JSON {
		return a.PrintJSON(printed{WorkflowID: o.id, LeftOut: left, Lines: all})
	}
	if left > 0 {
		a.Note("%s before these; --tail 0 shows all.", format.Count(left, "line is", "lines are"))
	}
	a.print(o.id, all)
	switch {
	case s.workers == nil:
		a.elsewhere(o.id)
	case len(all) == 0 && !o.follow:
		a.Note("No log lines of %s. A worker logs failures and retries; cogflow status %s shows what it does.", o.id, o.id)
	}
	if o.follow {
		ticker := time.NewTicker(followEvery)
		defer ticker.Stop()
		return a.follow(ctx, ticker.C, s, func() (bool, error) { return ended(ctx, c, o) })
	}
	return nil
}

// elsewhere prints how to read workers' lines if no place of them is set.
func (a app) elsewhere(id string) {
	a.Note(`The logs of workers are not shown: cogflow.logs, LOKI_ADDR and COGFLOW_COLLECTED_LOGS are not set. Filter the output of the workers:
  docker compose logs --no-color --no-log-prefix | cogflow logs %s --worker-log -
  kubectl logs --selector app=cogflow-worker --tail=-1 | cogflow logs %s --worker-log -`, id, id)
}

const followEvery = 2 * time.Second

// follow shows new lines at each tick, until the job has ended.
func (a app) follow(ctx context.Context, tick <-chan time.Time, s *sources, ended func() (bool, error)) error {
	for {
		done, err := ended() // checked before the lines are read, so that the last lines are shown
		if err != nil {
			return err
		}
		all, err := s.next(ctx)
		if err != nil {
			return err
		}
		a.print(s.id, all)
		if done {
			return nil
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func ended(ctx context.Context, c client.Client, o options) (bool, error) {
	d, err := c.DescribeWorkflow(ctx, o.id, o.run)
	if err != nil {
		return false, err
	}
	return workflows.Closed(d.Status), nil
}

// sources are the logs from which the lines of a job are read.
// run is the newest one, or the selected one.
func (a app) sources(ctx context.Context, c client.Client, o options, run string) (*sources, error) {
	s := &sources{id: o.id, run: o.run, level: o.level}
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	of, err := runsOf(ctx, c, a.Where.Namespace, o.id, run, o.run != "")
	if err != nil {
		return nil, err
	}
	s.traces = of.traces
	collected, err := a.collected(ctx, s, of.begun)
	if err != nil {
		return nil, err
	}
	switch {
	case o.worker == "-":
		s.workers = once(a.In)
	case o.worker != "":
		s.workers = file(o.worker)
	case collected != nil:
		s.workers = collected
	case cfg.Logs != "":
		s.workers = folder(cfg.Logs)
	}
	s.trainers = &trainers{client: c, id: o.id, run: o.run, store: a.Store}
	return s, s.trainers.find(ctx)
}

func (a app) print(id string, all []line) {
	for _, l := range all {
		fmt.Fprintln(a.Out, l.text(id, a.Wide))
	}
}
