// Package pools is the part of the command line that shows the task queues and who serves them.
// It asks Temporal only, and changes nothing.
package pools

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{Commands: []*cobra.Command{f.command()}}
}

type answer struct {
	Pools   []fleet.Queue `json:"pools"`
	Classes []fleet.Class `json:"classes"` // the pools of each GPU class together
	// Listed is false if the server does not list workers: hosts and slots are then unknown.
	Listed bool `json:"workers_listed"`
	// Servers are the model servers on demand of worker processes that answer.
	Servers []fleet.Server `json:"model_servers,omitempty"`
	// Memory is the memory of the GPUs of worker processes that answer.
	Memory []fleet.GPU `json:"gpus,omitempty"`
	// Problems are why GPUs or model servers are missing, and what to do.
	Problems []string `json:"problems,omitempty"`
}

func (a app) command() *cobra.Command {
	var gpu []string
	cmd := &cobra.Command{
		Use:   "pools",
		Short: "Show the task queues, their workers and what waits",
		Long: `Pools shows for each task queue how many worker processes serve it and on which hosts, their slots,
the tasks that wait, the age of the oldest one, how many tasks a minute were taken, and the builds of
the workers. With several GPU classes, a second table has the totals of each class. Further tables have
the memory of each GPU, and the model servers on demand with the memory that is used of their GPUs. It
lists the queues that the configuration names, those of the GPU classes in --gpu, and every other queue
with workers or tasks. Below it names the GPUs of each class. Hosts, slots and GPUs need a server that lists workers (version 1.29 with
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
	f, err := fleet.Ask(ctx, a.App, c, gpu...)
	out := answer{Pools: f.Queues, Classes: fleet.Classes(f.Queues), Listed: f.Listed}
	if err != nil {
		return out, err
	}
	r, err := fleet.Hosts(ctx, a.App, c, f.HostQueues(), workflows.ModelServersInput{Common: workflows.Common{Priority: 1}})
	out.Servers, out.Memory, out.Problems = fleet.Servers(r.Hosts, ""), fleet.GPUs(r.Hosts), r.Problems()
	return out, err
}

// printGPUs shows the memory of GPUs.
func (a app) printGPUs(all []fleet.GPU) {
	if len(all) == 0 {
		return
	}
	rows := make([][]string, len(all))
	for i, g := range all {
		rows[i] = []string{format.OrDash(g.Name), g.Class, g.Host, g.MemoryText(), g.UUID, g.StateText()}
	}
	a.Say("")
	a.Table([]cli.Column{{Name: "GPU"}, {Name: "class"}, {Name: "host"}, {Name: "memory used", Right: true}, {Name: "id"}, {Name: "state", Wrap: true}}, rows)
}

// printServers shows the model servers on demand.
func (a app) printServers(all []fleet.Server) {
	if len(all) == 0 {
		return
	}
	rows := make([][]string, len(all))
	for i, s := range all {
		rows[i] = []string{s.Server, s.Class, s.Host, s.MemoryText(), s.StateText()}
	}
	a.Say("")
	a.Table([]cli.Column{{Name: "model server"}, {Name: "class"}, {Name: "host"}, {Name: "memory used", Right: true}, {Name: "state", Wrap: true}}, rows)
}

func (a app) print(out answer) error {
	if a.JSON {
		return a.PrintJSON(out)
	}
	rows := make([][]string, len(out.Pools))
	for i, p := range out.Pools {
		workers, oldest := fmt.Sprint(p.Workers), ""
		if p.Draining > 0 {
			workers += fmt.Sprintf(" + %d draining", p.Draining)
		}
		if p.Backlog > 0 {
			oldest = (time.Duration(p.Oldest) * time.Second).String()
		}
		rows[i] = []string{
			p.Queue, p.Class, workers, used(p.Slots, p.Workers+p.Draining), fmt.Sprint(p.Backlog), oldest, fmt.Sprintf("%.0f", p.Rate),
			format.OrDash(strings.Join(p.Builds, ", ")), format.OrDash(strings.Join(p.Hosts, ", ")),
		}
	}
	a.Table([]cli.Column{
		{Name: "queue"},
		{Name: "class"},
		{Name: "workers", Right: true},
		{Name: "slots used", Right: true},
		{Name: "waiting", Right: true},
		{Name: "oldest", Right: true},
		{Name: "tasks/min", Right: true},
		{Name: "build"},
		{Name: "hosts", Wrap: true},
	}, rows)
	defer a.sayProblems(out.Problems)
	defer a.printServers(out.Servers)
	defer a.printGPUs(out.Memory)
	defer a.gpus(out.Classes)
	a.sayNotices(out.Pools)
	if len(out.Classes) < 2 {
		return nil
	}
	rows = make([][]string, len(out.Classes))
	for i, c := range out.Classes {
		rows[i] = []string{c.Class, fmt.Sprint(len(c.Queues)), fmt.Sprint(c.Workers), used(c.Slots, c.Workers), fmt.Sprint(c.Backlog), format.OrDash(strings.Join(c.Hosts, ", "))}
	}
	a.Say("")
	a.Table([]cli.Column{
		{Name: "class"}, {Name: "queues", Right: true}, {Name: "workers", Right: true}, {Name: "slots used", Right: true}, {Name: "waiting", Right: true}, {Name: "hosts", Wrap: true},
	}, rows)
	return nil
}

// gpus prints what the workers of each class have.
func (a app) gpus(classes []fleet.Class) {
	for _, c := range classes {
		for i, gpus := range c.GPUs {
			if i == 0 {
				a.Say("")
			}
			a.Say("GPUs of %s: %s", c.Class, gpus)
		}
	}
}

// sayNotices says which hosts will be taken away, each once.
func (a app) sayNotices(pools []fleet.Queue) {
	var said []string
	for _, p := range pools {
		for _, n := range p.Notices {
			if !slices.Contains(said, n) {
				said = append(said, n)
			}
		}
	}
	for _, n := range said {
		a.Say("This host will be taken away, so its workers drain: %s", n)
	}
}

func (a app) sayProblems(problems []string) {
	for _, text := range problems {
		a.Say("Not known: %s", text)
	}
}

// used formats slots; "–" = unknown, or there are none.
func used(s *workerlist.Slots, workers int) string {
	if s == nil || workers == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", s.Used, s.Used+s.Free)
}
