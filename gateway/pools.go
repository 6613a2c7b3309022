package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/pools"
	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/workflows"
)

// pools asks what `cogflow pools` asks.
func (a *asker) pools(ctx context.Context, _ api.Caller) (out pools.Pools, err error) {
	out.Pools, out.Servers, out.Memory = []pools.Pool{}, []pools.Server{}, []pools.GPU{}
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
	hosts, err := a.hosts(ctx, f.HostQueues())
	if err != nil {
		return out, err
	}
	for _, s := range fleet.Servers(hosts.Hosts, "") {
		out.Servers = append(out.Servers, told(s))
	}
	for _, g := range fleet.GPUs(hosts.Hosts) {
		out.Memory = append(out.Memory, pools.GPU{Host: g.Host, Class: g.Class, Text: g.StateText(), HostGPU: g.HostGPU})
	}
	out.Problems = hosts.Problems()
	return out, nil
}

func (a *asker) hosts(ctx context.Context, queues []string) (fleet.Answers, error) {
	out, err := fleet.Hosts(ctx, a.app, a.temporal, queues, workflows.ModelServersInput{Common: workflows.Common{Priority: 1}})
	if err != nil {
		err = serverError(ctx, err)
	}
	return out, err
}

func told(s fleet.Server) pools.Server {
	return pools.Server{Host: s.Host, Class: s.Class, Text: s.StateText(), Used: s.Used, Total: s.Total, ModelServer: s.ModelServer, Queues: s.Queues}
}

// owners start and stop model servers as `cogflow models` does.
type owners struct {
	*asker
	host
}

// Find implements pools.Servers.
func (o owners) Find(ctx context.Context, model, on string) (out []pools.Server, problem string, err error) {
	ctx, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	all, listed, err := workerlist.List(ctx, o.host.temporal, o.namespace)
	if err == nil && !listed {
		err = workerlist.ErrNotListed()
	}
	if err != nil {
		return nil, "", serverError(ctx, err)
	}
	queues := slices.DeleteFunc(workerlist.HostQueues(all), func(queue string) bool { return on != "" && !strings.HasPrefix(queue, workflows.HostQueue(on, "")) })
	found, err := o.hosts(ctx, queues)
	for _, s := range fleet.Servers(found.Hosts, model) {
		out = append(out, told(s))
	}
	return out, strings.Join(found.Problems(), "; "), err
}

func plain(found []pools.Server) (out []fleet.Server) {
	for _, s := range found {
		out = append(out, fleet.Server{Host: s.Host, ModelServer: s.ModelServer, Queues: s.Queues})
	}
	return out
}

// Warm implements pools.Servers.
func (o owners) Warm(ctx context.Context, found []pools.Server) (activities.Warmed, error) {
	on, err := fleet.Best(plain(found))
	if err != nil {
		return activities.Warmed{}, err
	}
	return o.warm(ctx, on.Queues[0], on.Server)
}

// releaseIn is how long a stop may take: requests in progress have a minute to end.
const releaseIn = 90 * time.Second

// Release implements pools.Servers.
func (o owners) Release(ctx context.Context, found []pools.Server) (out []activities.ReleasedServer, err error) {
	ctx, stop := context.WithTimeout(ctx, releaseIn)
	defer stop()
	var queues []string
	for _, s := range found {
		queues = append(queues, s.Queues...)
	}
	var all workflows.ReleaseModelServerResult
	if err := o.order(ctx, "ReleaseModelServer", "release", found[0].Server, queues, &all); err != nil {
		failed := &fault.Error{Class: fault.Transport, Op: "stop model server", Subject: found[0].Server, Reason: workflows.Reason(err)}
		if workflows.ClassOf(err) == string(fault.Input) { // it cannot be stopped now, and the reason says why
			failed.Class = fault.Input
		}
		return nil, failed
	}
	for _, s := range found {
		out = append(out, fleet.Released(slices.DeleteFunc(slices.Clone(all.Released), func(r activities.ReleasedServer) bool { return r.Host != s.Host })))
	}
	return out, nil
}
