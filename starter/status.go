package main

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/config"
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
	Jobs      []execution `json:"jobs"`
	Pools     []pool      `json:"pools"`
	NeverTook []untaken   `json:"never_taken,omitempty"` // runs that no worker of cogflow has ever taken, with the reason
}

const overviewJobs = 15

func (a *app) overview(ctx context.Context, c client.Client) error {
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
	if a.json {
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

// pools asks about every queue of cogflow. Those that the configuration names, or that
// serve one of the GPU classes in also, are listed in any case, others when they have
// workers or tasks.
func (a *app) pools(ctx context.Context, c client.Client, also ...string) ([]pool, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	wanted := wantedQueues(cfg, also)
	names := slices.Clone(wanted)
	for _, name := range workflows.ActivityQueues() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	all, errs := make([]pool, len(names)), make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			kind := enumspb.TASK_QUEUE_TYPE_ACTIVITY
			if name == workflows.QueueMain {
				kind = enumspb.TASK_QUEUE_TYPE_WORKFLOW
			}
			all[i], errs[i] = a.askPool(ctx, c, name, kind)
		})
	}
	wg.Wait()
	var out []pool
	for i, p := range all {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if i < len(wanted) || p.Workers > 0 || p.Backlog > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

// wantedQueues are the queues that a configuration's work needs: of the stages of its
// profiles and their GPU classes, and of prompt optimization if it names a student.
func wantedQueues(cfg config.Config, classes []string) []string {
	seen := map[string]bool{}
	profiles := cfg.Profiles()
	for _, p := range profiles {
		if p.Name == video.LocalPreview().Name && p.Name != cfg.Active() && len(profiles) > 1 {
			continue // it is always there; who configured another does not wait for its workers
		}
		for stem, stage := range map[string]video.Stage{
			workflows.StemDescribe: p.Describe, workflows.StemEmbed: p.Embed, workflows.StemTranscribe: p.Transcribe,
		} {
			if stage.Model == "" {
				continue
			}
			for _, class := range append(slices.Clone(stage.GPU), classes...) {
				seen[workflows.ClassQueue(stem, class)] = true
			}
		}
	}
	for _, class := range classes {
		seen[workflows.ClassQueue(workflows.StemTrain, class)] = true
	}
	if _, err := cfg.Student(""); err == nil {
		seen[workflows.QueueLM] = true
	}
	return append([]string{workflows.QueueMain, workflows.QueueMedia, workflows.QueueIndex}, slices.Sorted(maps.Keys(seen))...)
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
