package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

func (a *app) statusCommand() *cobra.Command {
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

// pool is the workers behind one task queue.
type pool struct {
	Queue   string `json:"queue"`
	Workers int    `json:"workers"`
	Backlog int64  `json:"backlog"` // tasks that wait for a worker
}

// overview is what `status --json` prints.
type overview struct {
	Jobs  []execution `json:"jobs"`
	Pools []pool      `json:"pools"`
}

const overviewJobs = 15

func (a *app) overview(ctx context.Context, c client.Client) error {
	jobs, err := a.executions(ctx, c, jobsQuery, overviewJobs)
	if err != nil {
		return err
	}
	pools, err := a.pools(ctx, c)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(overview{Jobs: jobs, Pools: pools})
	}
	a.printExecutions(jobs, time.Now())
	a.say("")
	a.printPools(pools)
	return nil
}

// pools asks about the queues that the configured profiles use.
func (a *app) pools(ctx context.Context, c client.Client) ([]pool, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	names := []string{workflows.QueueMain, workflows.QueueMedia, workflows.QueueIndex}
	seen := map[string]bool{}
	for _, p := range cfg.Profiles() {
		for stem, classes := range map[string][]string{workflows.StemDescribe: p.Describe.GPU, workflows.StemEmbed: p.Embed.GPU} {
			for _, class := range classes {
				seen[workflows.ClassQueue(stem, class)] = true
			}
		}
	}
	names = append(names, slices.Sorted(maps.Keys(seen))...)
	out := make([]pool, len(names))
	for i, name := range names {
		kind := enumspb.TASK_QUEUE_TYPE_ACTIVITY
		if name == workflows.QueueMain {
			kind = enumspb.TASK_QUEUE_TYPE_WORKFLOW
		}
		if out[i], err = a.askPool(ctx, c, name, kind); err != nil {
			return nil, err
		}
	}
	// Any job may name any class to train on, or ask language models: those count
	// that are used.
	used := []string{workflows.QueueLM}
	for _, class := range video.GPUClasses() {
		used = append(used, workflows.ClassQueue(workflows.StemTrain, class))
	}
	for _, name := range used {
		p, err := a.askPool(ctx, c, name, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
		if err != nil {
			return nil, err
		}
		if p.Workers > 0 || p.Backlog > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

func (a *app) printPools(pools []pool) {
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
