// Package draining decides when a worker drains and how long it has: until its service manager
// kills it, or until its host is taken away. It stops no activity itself.
package draining

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config/drain"
	"github.com/cogniverse/cogflow/internal/notice"
	"github.com/cogniverse/cogflow/internal/supervisor"
	"github.com/cogniverse/cogflow/panics"
)

// Limit is how long a worker has to drain, compared with what its service manager grants.
type Limit struct {
	Needs  time.Duration // at most
	Has    time.Duration // 0 = unknown, or no limit
	By     string        // who grants it; empty = nobody stops the worker
	Reason string        // why Has is unknown; empty = it is known, or nobody stops the worker
}

// Compare compares what a worker needs with the configured limit and the service manager's. A
// limit that is too short is an error: the worker would be killed while paid calls are in flight.
func Compare(needs time.Duration, c drain.Drain, m supervisor.Manager, asking error) (Limit, error) {
	l := Limit{Needs: needs, Has: c.Limit, By: "cogflow.drain.limit_seconds"}
	switch {
	case m.Waits > 0 && (c.Limit == 0 || m.Waits < c.Limit):
		l.Has, l.By = m.Waits, m.Name
	case c.Limit > 0:
	case asking != nil:
		l.By, l.Reason = m.Name, asking.Error()
	case m.Name != "" && !m.Asked:
		l.By, l.Reason = m.Name, m.Name+" does not tell its stop timeout; set COGFLOW_DRAIN_LIMIT_SECONDS to the stop timeout in seconds"
	default:
		l.By = m.Name
	}
	if l.Has == 0 || l.Has >= needs {
		return l, nil
	}
	return l, fault.New(fault.Input, "start worker", "", fmt.Sprintf(
		"it needs up to %s to drain (cogflow.drain.calls_seconds, cogflow.training.grace_seconds), but is killed after %s (%s); "+
			"raise TimeoutStopSec, stop_grace_period or terminationGracePeriodSeconds, and COGFLOW_DRAIN_LIMIT_SECONDS where it is set", needs, l.Has, l.By))
}

func (l Limit) String() string {
	text := fmt.Sprintf("needs up to %s", l.Needs)
	switch {
	case l.Has > 0:
		return text + fmt.Sprintf(", has %s (%s)", l.Has, l.By)
	case l.Reason != "":
		return text + "; unknown when it would be killed: " + l.Reason
	case l.By != "":
		return text + ", and is never killed (" + l.By + ")"
	default:
		return text + "; no service manager was found"
	}
}

// reserve is what a worker needs after its activities have ended.
const reserve = drain.ReportGrace + drain.CloseGrace

// Notices tell a worker that its host will be taken away. A nil value tells nothing.
type Notices struct {
	watcher *notice.Watcher
	now     func() time.Time

	mu   sync.Mutex
	seen *notice.Notice
}

// Open asks for notices a first time. It returns nil if none are configured.
func Open(ctx context.Context, c drain.Drain, log *slog.Logger) (*Notices, error) {
	if c.Notice == "" {
		return nil, nil //nolint:nilnil // a nil Notices tells nothing
	}
	n := &Notices{watcher: notice.New(notice.Options{From: c.Notice, Log: log}), now: time.Now}
	return n, n.watcher.First(ctx)
}

// Watch calls seen, once, when there is a notice. It returns a function that ends the watch.
func (n *Notices) Watch(ctx context.Context, seen func(notice.Notice)) (stop func()) {
	if n == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var group panics.Group
	group.Go(func() error {
		one, err := n.watcher.Wait(ctx)
		if err != nil {
			return nil //nolint:nilerr // the worker ends for another reason
		}
		n.mu.Lock()
		n.seen = &one
		n.mu.Unlock()
		seen(one)
		return nil
	})
	return func() { cancel(); _ = group.Wait() } // the function returns no error
}

// Bound shortens the grace of an activity so that the worker has ended before its host does.
func (n *Notices) Bound(grace time.Duration) time.Duration {
	one := n.notice()
	if one == nil || one.At.IsZero() {
		return grace
	}
	return max(0, min(grace, one.At.Sub(n.now())-reserve))
}

func (n *Notices) notice() *notice.Notice {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen
}

// Tell adds the notice to what the process reports of its workers to Temporal, where
// `cogflow pools` and `cogflow explain` read it.
func (n *Notices) Tell(ctx context.Context, method string, in, out any, c *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if one := n.notice(); one != nil {
		var beats []*workerpb.WorkerHeartbeat
		switch in := in.(type) {
		case *workflowservice.RecordWorkerHeartbeatRequest:
			beats = in.GetWorkerHeartbeat()
		case *workflowservice.ShutdownWorkerRequest:
			beats = append(beats, in.GetWorkerHeartbeat())
		}
		for _, b := range beats {
			told := slices.ContainsFunc(b.GetPlugins(), func(p *workerpb.PluginInfo) bool { return p.GetName() == notice.Plugin })
			if b != nil && !told { // the list of plugins is shared by all heartbeats
				b.Plugins = append(slices.Clone(b.GetPlugins()), &workerpb.PluginInfo{Name: notice.Plugin, Version: one.String()})
			}
		}
	}
	return invoke(ctx, method, in, out, c, opts...)
}
