package main

import (
	"context"

	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/pools"
	"github.com/cogniverse/cogflow/workflows"
)

// pools asks what `cogflow pools` asks.
func (a *asker) pools(ctx context.Context, _ api.Caller) (out pools.Pools, err error) {
	out.Pools, out.Servers = []pools.Pool{}, []pools.Server{}
	ctx, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	f, err := fleet.Ask(ctx, a.app, a.temporal)
	if err != nil {
		return out, serverError(ctx, err)
	}
	out.Listed = f.Listed
	for _, q := range f.Queues {
		one := pools.Pool{
			Queue: q.Queue, Class: q.Class, Workers: q.Workers, Draining: q.Draining, Backlog: q.Backlog, Oldest: q.Oldest, Rate: q.Rate,
			Builds: q.Builds, Hosts: q.Hosts, GPUs: q.GPUs, Notices: q.Notices,
		}
		if q.Slots != nil {
			one.Used, one.Free = &q.Slots.Used, &q.Slots.Free
		}
		out.Pools = append(out.Pools, one)
	}
	if len(f.Queues) == 0 || f.Queues[0].Workers == 0 { // no worker would run the workflow that asks
		return out, nil
	}
	hosts, err := fleet.Hosts(ctx, a.app, f.HostQueues(), workflows.ModelServersInput{Common: workflows.Common{Priority: 1}})
	if err != nil {
		return out, serverError(ctx, err)
	}
	for _, s := range fleet.Servers(hosts.Hosts, "") {
		out.Servers = append(out.Servers, pools.Server{Host: s.Host, Class: s.Class, Text: s.StateText(), ModelServer: s.ModelServer})
	}
	return out, nil
}
