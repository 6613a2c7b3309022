// Package pools is the part of the command line that shows the task queues and who serves them.
// It asks Temporal only, and changes nothing.
package pools

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{Commands: []*cobra.Command{f.command()}}
}

// row describes one task queue.
type row struct {
	cli.Pool
	Class string   `json:"class"`           // of GPUs; cpu = none
	Hosts []string `json:"hosts,omitempty"` // of the workers that report to the server
	// Slots of these workers for activities; nil: the server keeps no list of workers.
	Slots *slots `json:"slots,omitempty"`
}

type slots struct {
	Used int `json:"used"`
	Free int `json:"free"`
}

type answer struct {
	Pools []row `json:"pools"`
	// Listed is false if the server does not list workers: hosts and slots are then unknown.
	Listed bool `json:"workers_listed"`
}

func (a app) command() *cobra.Command {
	var gpu []string
	cmd := &cobra.Command{
		Use:   "pools",
		Short: "Show the task queues, their workers and what waits",
		Long: `Pools shows for each task queue how many worker processes serve it and on which hosts, their slots,
the tasks that wait, the age of the oldest one, and how many tasks a minute were taken. It lists the
queues that the configuration names, those of the GPU classes in --gpu, and every other queue with
workers or tasks. Hosts and slots need a server that lists workers (version 1.29 with
frontend.ListWorkersEnabled and frontend.WorkerHeartbeatsEnabled; make up sets them).`,
		Example: "  cogflow pools\n  cogflow pools --gpu l40s,h100 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.CheckGPU(gpu); err != nil {
				return err
			}
			c, err := a.Connect(cmd.Context())
			if err != nil {
				return err
			}
			out, err := a.ask(cmd.Context(), c, gpu)
			if err != nil {
				return err
			}
			return a.print(out)
		},
	}
	cmd.Flags().StringSliceVar(&gpu, "gpu", nil, "GPU classes whose queues are shown, such as l40s,h100")
	cli.OfferWords(cmd, "gpu", video.GPUClasses()...)
	return cmd
}

func (a app) ask(ctx context.Context, c client.Client, gpu []string) (answer, error) {
	all, err := a.Pools(ctx, c, gpu...)
	if err != nil {
		return answer{}, err
	}
	workers, listed, err := a.workers(ctx, c)
	if err != nil {
		return answer{}, err
	}
	out := answer{Listed: listed}
	for _, p := range all {
		out.Pools = append(out.Pools, describe(p, workers[p.Queue], listed))
	}
	return out, nil
}

// describe adds what the workers of a queue report.
func describe(p cli.Pool, workers []*workerpb.WorkerHeartbeat, listed bool) row {
	out := row{Pool: p, Class: "cpu"}
	if _, class, ok := strings.Cut(p.Queue, "-"); ok {
		out.Class = class
	}
	if !listed {
		return out
	}
	out.Slots = &slots{}
	for _, w := range workers {
		if host := cmp.Or(w.GetHostInfo().GetHostName(), w.GetWorkerIdentity()); !slices.Contains(out.Hosts, host) {
			out.Hosts = append(out.Hosts, host)
		}
		// Workers of the main queue run workflows; all others run activities.
		of := w.GetActivityTaskSlotsInfo()
		if p.Queue == workflows.QueueMain {
			of = w.GetWorkflowTaskSlotsInfo()
		}
		out.Slots.Used += int(of.GetCurrentUsedSlots())
		out.Slots.Free += max(0, int(of.GetCurrentAvailableSlots()))
	}
	slices.Sort(out.Hosts)
	out.Workers = max(out.Workers, len(workers))
	return out
}

// workers lists the living workers by task queue; listed is false if the server cannot.
func (a app) workers(ctx context.Context, c client.Client) (by map[string][]*workerpb.WorkerHeartbeat, listed bool, err error) {
	by = map[string][]*workerpb.WorkerHeartbeat{}
	for token := []byte(nil); ; {
		r, err := c.WorkflowService().ListWorkers(ctx, &workflowservice.ListWorkersRequest{Namespace: a.Where.Namespace, PageSize: 1000, NextPageToken: token})
		if unsupported(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		// Servers of today list slots here. Those that stop will need a request for each worker.
		for _, info := range r.GetWorkersInfo() { //nolint:staticcheck // deprecated without a replacement in server 1.29
			w := info.GetWorkerHeartbeat()
			if ended := w.GetStatus() == enumspb.WORKER_STATUS_SHUTDOWN; !ended {
				by[w.GetTaskQueue()] = append(by[w.GetTaskQueue()], w)
			}
		}
		if token = r.GetNextPageToken(); len(token) == 0 {
			return by, true, nil
		}
	}
}

// unsupported reports that a server does not know the request, or does not serve it.
func unsupported(err error) bool {
	switch err.(type) { //nolint:errorlint // the client returns these as they are
	case *serviceerror.Unimplemented, *serviceerror.PermissionDenied:
		return true
	}
	return false
}

func (a app) print(out answer) error {
	if a.JSON {
		return a.PrintJSON(out)
	}
	rows := make([][]string, len(out.Pools))
	for i, p := range out.Pools {
		busy, hosts := "–", "–"
		if p.Slots != nil && p.Workers > 0 {
			busy, hosts = fmt.Sprintf("%d of %d", p.Slots.Used, p.Slots.Used+p.Slots.Free), strings.Join(p.Hosts, ", ")
		}
		oldest := ""
		if p.Backlog > 0 {
			oldest = (time.Duration(p.Oldest) * time.Second).String()
		}
		rows[i] = []string{p.Queue, p.Class, fmt.Sprint(p.Workers), busy, fmt.Sprint(p.Backlog), oldest, fmt.Sprintf("%.0f", p.Rate), hosts}
	}
	a.Table([]cli.Column{
		{Name: "queue"},
		{Name: "class"},
		{Name: "workers", Right: true},
		{Name: "slots used", Right: true},
		{Name: "waiting", Right: true},
		{Name: "oldest", Right: true},
		{Name: "tasks/min", Right: true},
		{Name: "hosts", Wrap: true},
	}, rows)
	return nil
}
