package gpus

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/safetext"
)

// Checks are the rows of the GPUs in `cogflow health`. A worker that leases none has no rows.
func (g *GPUs) Checks(ctx context.Context) (out []activities.HealthCheck) {
	g.mu.Lock()
	table, host := g.table, g.host
	g.mu.Unlock()
	if table == nil || host.Source() == "" {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		name = "unknown host"
	}
	states, err := table.Look(ctx)
	if err != nil {
		return []activities.HealthCheck{{Part: "GPUs of " + name, Status: "fail", Detail: err.Error()}}
	}
	held := table.Held()
	for _, s := range states {
		row := activities.HealthCheck{Part: fmt.Sprintf("GPU %d of %s", s.Index, name), Status: "ok", Detail: describe(s)}
		switch {
		case s.Aside != "":
			row.Status, row.Detail = "warn", describe(s)+" is set aside: "+s.Aside
			if table.Usable() == 0 {
				row.Status = "fail"
			}
		case held[s.UUID] != "":
			row.Detail += " " + held[s.UUID]
		default:
			row.Detail += " is free"
		}
		out = append(out, row)
	}
	return out
}

func describe(s gpu.State) string {
	name := strings.TrimSpace(s.Name + " " + s.Profile)
	switch {
	case s.MemoryBytes == 0:
	case s.UsedBytes < 0:
		name += ", " + gpu.Bytes(s.MemoryBytes)
	default:
		name += ", " + gpu.Bytes(s.UsedBytes) + " of " + gpu.Bytes(s.MemoryBytes) + " used"
	}
	return name + " (" + s.UUID + ")"
}

// PluginName is the name under which a worker tells the server its GPUs, in the list of workers.
const PluginName = "cogflow.gpus"

// plugin tells the server the GPUs of a worker. It changes nothing of the worker.
type plugin struct {
	worker.PluginBase
	gpus string
}

func (plugin) Name() string { return PluginName }

// Version is the only text of a plugin that the list of workers has.
func (p plugin) Version() string { return p.gpus }

// Plugins tell the server which GPUs the worker has, such as "8 × NVIDIA H100 80GB HBM3, 79.6 GiB".
func (g *GPUs) Plugins(ctx context.Context) []worker.Plugin {
	if g.o.Class == classCPU {
		return nil
	}
	return []worker.Plugin{plugin{gpus: g.summary(ctx)}}
}

func (g *GPUs) summary(ctx context.Context) string {
	found, err := g.read(ctx)
	if err != nil {
		return err.Error()
	}
	return Summary(found)
}

// read asks the driver once.
func (g *GPUs) read(ctx context.Context) ([]gpu.Device, error) {
	devices, err := g.o.Open()
	if err != nil {
		return nil, err
	}
	found, err := devices.Read(ctx)
	return found, cmp.Or(err, devices.Close())
}

// Devices are the GPUs with their memory. Only a worker that leases them knows which of them are ill,
// and who holds them.
func (g *GPUs) Devices(ctx context.Context) ([]activities.HostGPU, error) {
	if g.o.Class == classCPU {
		return nil, nil
	}
	g.mu.Lock()
	table := g.table
	g.mu.Unlock()
	if table == nil {
		found, err := g.read(ctx)
		out := make([]activities.HostGPU, len(found))
		for i, d := range found {
			out[i] = told(gpu.State{Device: d, Aside: d.Trouble}, "")
		}
		return out, err
	}
	states, err := table.Look(ctx)
	held := table.Held()
	out := make([]activities.HostGPU, len(states))
	for i, s := range states {
		out[i] = told(s, held[s.UUID])
	}
	return out, err
}

func told(s gpu.State, held string) activities.HostGPU {
	out := activities.HostGPU{
		Name: strings.TrimSpace(s.Name + " " + s.Profile), UUID: s.UUID, Total: s.MemoryBytes,
		Held: safetext.Line(held, safetext.MaxReason), Aside: safetext.Line(s.Aside, safetext.MaxReason),
	}
	if s.UsedBytes >= 0 && s.MemoryBytes > 0 {
		out.Used = &s.UsedBytes
	}
	return out
}

// Summary counts devices by model and memory.
func Summary(found []gpu.Device) string {
	var names []string
	count := map[string]int{}
	for _, d := range found {
		name := strings.TrimSpace(d.Name + " " + d.Profile)
		if name == "" {
			name = "GPU that cannot be read"
		}
		if d.MemoryBytes > 0 {
			name += ", " + gpu.Bytes(d.MemoryBytes)
		}
		if count[name]++; count[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%d × %s", count[name], name)
	}
	return strings.Join(names, "; ")
}
