// Package gpus are the GPUs of a worker: it finds them, watches their health, and leases them to
// training runs and model servers. It knows no queue but those of GPU classes.
package gpus

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/procs"
	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// Options of New.
type Options struct {
	Configured []string // devices by number or UUID; empty = all
	Class      string
	Open       func() (gpu.Devices, error)
	Now        func() time.Time               // nil = time.Now
	Made       func(table *lease.Table) error // is called with the lease table; nil = nobody needs it
}

// GPUs are the GPUs of a worker. The driver is asked at the first use.
type GPUs struct {
	o     Options
	mu    sync.Mutex
	table *lease.Table // nil = not used yet
	host  *gpu.Host
	ctx   context.Context //nolint:containedctx // lives as long as the GPUs
	end   context.CancelFunc
	loop  panics.Group
}

// New makes the GPUs of a worker of a class.
func New(ctx context.Context, o Options) *GPUs {
	g := &GPUs{o: o}
	g.ctx, g.end = context.WithCancel(context.WithoutCancel(ctx))
	return g
}

// Table is the lease table of this host.
func (g *GPUs) Table() (*lease.Table, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.table != nil {
		return g.table, nil
	}
	devices, err := gpu.Devices(gpu.None{}), error(nil)
	if g.o.Class != classCPU {
		if devices, err = g.o.Open(); err != nil {
			return nil, err
		}
	}
	host := gpu.NewHost(devices, g.o.Now)
	table, err := lease.OfHost(g.ctx, host, g.o.Configured, g.o.Class, workflows.ClassQueue(workflows.StemTrain, g.o.Class))
	if err == nil && g.o.Made != nil {
		err = g.o.Made(table)
	}
	if err != nil {
		_ = host.Close() // the cause says more
		return nil, err
	}
	g.table, g.host = table, host
	if host.Source() != "" {
		g.loop.Go(func() error { return g.watch(max(watchEvery, 6*devices.Fresh())) })
	}
	return table, nil
}

// watchEvery is how often the health of the GPUs is looked at.
const watchEvery = 10 * time.Second

// watch looks at the devices also while nothing waits for them, so that ill ones are set aside and
// those that are well again come back.
func (g *GPUs) watch(every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return nil
		case <-ticker.C:
			_, _ = g.table.Look(g.ctx) // waits and `cogflow health` show a fault
		}
	}
}

// Close ends the watch.
func (g *GPUs) Close() error {
	g.end()
	err := g.loop.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.host == nil {
		return err
	}
	return cmp.Or(err, g.host.Close())
}

// Env marks the processes that use leased devices, so that those that outlive their lease are found.
func (g *GPUs) Env(devices string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.table == nil {
		return nil
	}
	if mark := g.table.Mark(devices); mark != "" {
		return []string{procs.Variable + "=" + mark}
	}
	return nil
}

// Training returns what the training pool needs: its leases, and its slots, one for each device
// that is well. So other tasks wait on the server, where another worker can take them.
func (g *GPUs) Training() (*Training, worker.WorkerTuner, int, error) {
	table, err := g.Table()
	if err != nil {
		return nil, nil, 0, err
	}
	tuner, err := tuner(table)
	return &Training{table}, tuner, table.Total(), err
}

// Training leases whole devices to training runs.
type Training struct{ table *lease.Table }

// Lease waits for n devices; says gets what it waits for.
func (t *Training) Lease(ctx context.Context, n int, says func(string)) (devices string, release func(), err error) {
	who := "training"
	if activity.IsActivity(ctx) {
		who += " " + activity.GetInfo(ctx).WorkflowExecution.ID
	}
	l, release, err := t.table.Take(ctx, lease.Ask{N: n, Who: who, Says: says})
	return l.Devices, release, err
}

const classCPU = "cpu"

// Class returns the GPU class of this host's model queues. With auto, the driver reports the GPUs;
// without a driver, the class is cpu.
func Class(ctx context.Context, asked string, open func() (gpu.Devices, error)) (string, error) {
	switch {
	case asked == "none":
		return classCPU, nil
	case video.GPUClass(asked) != "":
		return video.GPUClass(asked), nil
	case asked != "auto":
		return "", fault.New(fault.Input, "choose GPU class", asked, "must be auto, none or one of "+strings.Join(video.GPUClasses(), ", "))
	}
	devices, err := open()
	if err != nil {
		return "", err
	}
	found, err := devices.Read(ctx)
	if err := cmp.Or(err, devices.Close()); err != nil {
		return "", err
	}
	return classOf(found)
}
