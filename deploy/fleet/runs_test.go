//go:build linux

package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/workflows"
)

// stream runs jobs of one kind, one after another. Each job is the first of a tenant of its own,
// so that none finds results of another.
type stream struct {
	name, kind string
	limit      int64 // micro-USD, less than a job needs; 0 = none
	input      func() map[string]any
	now        *run
	ended      []string // tenants
}

const calm = "calm" // names the tenants whose jobs run before anything breaks

// streams are the three pipelines.
func streams() []*stream {
	return []*stream{
		{name: "ingest", kind: "IngestLibrary", input: func() map[string]any { return map[string]any{"source": "s3://" + library} }},
		{name: "optimize", kind: "OptimizePrompts", limit: 12_000, input: optimizationInput},
		{name: "train", kind: "TrainSFT", input: trainingInput},
	}
}

// tenantOf names the tenant of a job of a stream.
func tenantOf(stream string, number any) string { return fmt.Sprint(stream, "-", number) }

// run is a job that must end well, whatever breaks meanwhile.
type run struct {
	tenant, kind string
	limit        int64 // micro-USD; 0 = none, or removed
	handle       client.WorkflowRun
	waiting      atomic.Bool // for a higher limit
	done         chan struct{}
	err          error // read after done
}

const callFor = 5 * time.Second // limits a call of the Temporal server, which may be away

// start starts a job. It fails while the server is away; a job that has started is found again.
func (f *fleet) start(s *stream, tenant string, limit int64) error {
	in := s.input()
	in["tenant"] = tenant
	if limit > 0 {
		in["budget_usd"] = float64(limit) / 1e6
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), callFor)
	defer cancel()
	handle, err := f.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: tenant, TaskQueue: workflows.QueueMain}, s.kind, in)
	if err != nil {
		return err
	}
	s.now = &run{tenant: tenant, kind: s.kind, limit: limit, handle: handle, done: make(chan struct{})}
	go s.now.await(f.t.Context())
	go s.now.watch(f.t.Context(), f.client)
	return nil
}

// await waits until the run ends, across outages of the server.
func (r *run) await(ctx context.Context) {
	defer close(r.done)
	for ctx.Err() == nil {
		r.err = r.handle.Get(ctx, nil)
		if _, ended := errors.AsType[*temporal.WorkflowExecutionError](r.err); r.err == nil || ended {
			return
		}
		r.pause(ctx, time.Second)
	}
}

// watch looks whether the run waits for budget.
func (r *run) watch(ctx context.Context, c client.Client) {
	for r.limit > 0 && ctx.Err() == nil && !closed(r.done) && !r.waiting.Load() {
		asking, cancel := context.WithTimeout(ctx, callFor)
		value, err := c.QueryWorkflow(asking, r.handle.GetID(), "", workflows.QueryProgress)
		cancel()
		var p struct {
			Waiting string `json:"waiting"`
		}
		r.waiting.Store(err == nil && value.Get(&p) == nil && p.Waiting == "budget")
		r.pause(ctx, time.Second)
	}
}

func (r *run) pause(ctx context.Context, long time.Duration) {
	select {
	case <-time.After(long):
	case <-r.done:
	case <-ctx.Done():
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// tend raises the limits of runs that wait for it, and starts the next job of each stream. What
// cannot be done while a server is away is done later.
func (f *fleet) tend() {
	f.t.Helper()
	for _, s := range f.streams {
		r := s.now
		switch {
		case r == nil:
			if !f.ending {
				_ = f.start(s, tenantOf(s.name, len(s.ended)), s.limit)
			}
		case closed(r.done):
			require.NoError(f.t, r.err, r.tenant)
			if f.withinLimit(r) {
				s.ended, s.now = append(s.ended, r.tenant), nil
			}
		case r.waiting.Load() && r.limit > 0 && f.withinLimit(r):
			if f.removeLimit(r) == nil {
				f.raised++
				r.limit = 0
			}
		}
	}
}

// withinLimit checks that a run has not spent more than its limit. It returns false while the
// ledger is away.
func (f *fleet) withinLimit(r *run) bool {
	f.t.Helper()
	if r.limit == 0 {
		return true
	}
	spent, err := f.spent(r.tenant)
	if err == nil {
		require.LessOrEqual(f.t, spent, r.limit, "%s spent more than its limit", r.tenant)
	}
	return err == nil
}

func (f *fleet) removeLimit(r *run) error {
	ctx, cancel := context.WithTimeout(f.t.Context(), callFor)
	defer cancel()
	u, err := f.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: r.handle.GetID(), UpdateName: workflows.UpdateBudget, Args: []any{0.0}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return u.Get(ctx, nil)
}

// finish waits until all jobs have ended, and starts no more.
func (f *fleet) finish(limit time.Duration) {
	f.t.Helper()
	f.ending = true
	deadline := time.Now().Add(limit)
	for {
		var open []string
		for _, s := range f.streams {
			if s.now != nil {
				open = append(open, s.now.tenant)
			}
		}
		if len(open) == 0 {
			return
		}
		require.True(f.t, time.Now().Before(deadline), "jobs do not end: %v", open)
		f.pass(200 * time.Millisecond)
	}
}

// startCalm starts the jobs with which those during faults are compared. They have no limit.
func (f *fleet) startCalm() {
	f.t.Helper()
	for _, s := range f.streams {
		f.eventually(func() bool { return f.start(s, tenantOf(s.name, calm), 0) == nil }, f.temporal)
	}
}

// finishCalm waits until the jobs of startCalm have ended.
func (f *fleet) finishCalm() {
	f.t.Helper()
	for _, s := range f.streams {
		<-s.now.done
		require.NoError(f.t, s.now.err, s.now.tenant)
		s.now = nil
	}
	f.logf("the jobs for comparison have ended")
}
