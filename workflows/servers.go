package workflows

import (
	"context"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
)

// hostQueues is the prefix of the task queues that each have one worker process.
const hostQueues = "host/"

// HostQueue is the task queue of one worker process, for questions about its host and orders to its
// model servers. process distinguishes the processes of a host.
func HostQueue(host, process string) string { return hostQueues + host + "/" + process }

// IsHostQueue reports whether HostQueue made the name of a queue.
func IsHostQueue(queue string) bool { return strings.HasPrefix(queue, hostQueues) }

// ModelServersInput starts ListModelServers, WarmModelServer or ReleaseModelServer.
type ModelServersInput struct {
	Common
	Queues []string `json:"queues"`              // task queues of the worker processes, as the list of workers has them: host/NAME/…
	Server string   `json:"server,omitempty"`    // name of a server in the configuration, or a model that it serves; empty = all
	Lines  int      `json:"log_lines,omitempty"` // ListModelServers: last lines of the server's output; at most 500

	received Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *ModelServersInput) UnmarshalJSON(data []byte) error {
	type plain ModelServersInput
	in.received = Receive(data, (*plain)(in))
	return nil
}

const maxLogLines = 500

func (in *ModelServersInput) check(ctx workflow.Context, one bool) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	for _, queue := range in.Queues {
		if !IsHostQueue(queue) {
			return fault.New(fault.Input, readInput, "queues", "must be task queues of worker processes, which begin with "+hostQueues)
		}
	}
	switch {
	case len(in.Queues) == 0:
		return fault.New(fault.Input, readInput, "queues", "is required")
	case one && in.Server == "":
		return fault.New(fault.Input, readInput, "server", "is required")
	case in.Lines < 0 || in.Lines > maxLogLines:
		return fault.New(fault.Input, readInput, "log_lines", "must be 0 to 500")
	}
	return in.CheckCommon()
}

const readInput = "read input"

// ModelServersResult is what ListModelServers returns.
type ModelServersResult struct {
	Hosts  []activities.WorkerHost `json:"hosts"`            // one entry for each worker process that answered
	Silent []string                `json:"silent,omitempty"` // queues of worker processes that did not answer, or failed, with the reason
}

// ListModelServers asks worker processes about their model servers and GPUs.
func ListModelServers(ctx workflow.Context, in ModelServersInput) (ModelServersResult, error) {
	out := ModelServersResult{Hosts: []activities.WorkerHost{}}
	if err := in.check(ctx, false); err != nil {
		return out, Typed(err)
	}
	var a *activities.Servers
	silent := onHosts(ctx, in, metadataTimeout, a.ModelServers, func(queue string, h activities.WorkerHost) {
		h.Queue = queue
		out.Hosts = append(out.Hosts, h)
	})
	for _, f := range silent {
		out.Silent = append(out.Silent, f.String())
	}
	return out, Ended(ctx, ctx.Err())
}

// WarmModelServerResult is what WarmModelServer returns.
type WarmModelServerResult struct {
	Ready []activities.Warmed `json:"ready"` // one entry for each host
}

// WarmModelServer starts a model server on the hosts of worker processes, and ends when it is
// ready. A start that fails is not repeated.
func WarmModelServer(ctx workflow.Context, in ModelServersInput) (WarmModelServerResult, error) {
	var out WarmModelServerResult
	if err := in.check(ctx, true); err != nil {
		return out, Typed(err)
	}
	var a *activities.Servers
	return out, allHosts(ctx, onHosts(ctx, in, modelTimeout, a.WarmModelServer, func(_ string, w activities.Warmed) { out.Ready = append(out.Ready, w) }))
}

// ReleaseModelServerResult is what ReleaseModelServer returns.
type ReleaseModelServerResult struct {
	Released []activities.ReleasedServer `json:"released"` // one entry for each worker process
}

// ReleaseModelServer drains and stops a model server on the hosts of worker processes.
func ReleaseModelServer(ctx workflow.Context, in ModelServersInput) (ReleaseModelServerResult, error) {
	var out ReleaseModelServerResult
	if err := in.check(ctx, true); err != nil {
		return out, Typed(err)
	}
	var a *activities.Servers
	return out, allHosts(ctx, onHosts(ctx, in, releaseTimeout, a.ReleaseModelServer, func(_ string, r activities.ReleasedServer) { out.Released = append(out.Released, r) }))
}

// hostFailure is the failure of one worker process.
type hostFailure struct {
	queue string
	err   error
}

func (f hostFailure) String() string {
	reason := Reason(f.err)
	if temporal.IsTimeoutError(f.err) {
		reason = "the worker process does not answer; it may have ended"
	}
	return strings.TrimPrefix(f.queue, hostQueues) + ": " + reason
}

// onHosts runs an activity once on each queue, all at once, and returns the failures.
func onHosts[Out any](ctx workflow.Context, in ModelServersInput, timeout time.Duration,
	activity func(context.Context, activities.ServerInput) (Out, error), each func(queue string, out Out),
) (failed []hostFailure) {
	c := NewCaller(in.Common)
	futures := make([]workflow.Future, len(in.Queues))
	for i, queue := range in.Queues {
		futures[i] = workflow.ExecuteActivity(c.host(ctx, queue, timeout), activity, activities.ServerInput{Server: in.Server, Lines: in.Lines})
	}
	for i, queue := range in.Queues {
		var out Out
		if err := futures[i].Get(ctx, &out); err != nil {
			failed = append(failed, hostFailure{queue, err})
			continue
		}
		each(queue, out)
	}
	return failed
}

// allHosts is the error of a run that requires every answer.
func allHosts(ctx workflow.Context, failed []hostFailure) error {
	if ctx.Err() != nil {
		return Ended(ctx, ctx.Err())
	}
	if len(failed) == 0 {
		return nil
	}
	var texts []string
	for _, f := range failed {
		texts = append(texts, f.String())
	}
	return temporal.NewNonRetryableApplicationError(safetext.Lines(strings.Join(texts, "; "), safetext.MaxMessage), ClassOf(failed[0].err), nil)
}
