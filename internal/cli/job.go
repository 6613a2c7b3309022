package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows"
)

// Job is one start of a workflow.
type Job = submit.Job

// Start starts a job, or attaches to the running job with its id.
func (a *App) Start(ctx context.Context, c client.Client, j Job) (run client.WorkflowRun, attached bool, err error) {
	running := runningRun(ctx, c, j.ID)
	run, err = c.ExecuteWorkflow(ctx, j.Options(), j.Kind, j.Input)
	if err != nil {
		return nil, false, err
	}
	return run, running != "" && running == run.GetRunID(), nil
}

// runningRun returns the open run of id, or "". It ignores errors, because its result only
// selects a message.
func runningRun(ctx context.Context, c client.Client, id string) string {
	d, err := c.DescribeWorkflow(ctx, id, "")
	if err != nil || workflows.Closed(d.Status) {
		return ""
	}
	return d.WorkflowExecution.RunID
}

// follow waits until a run ends, shows its progress and returns its result. An empty kind
// means that no progress is shown.
func (a *App) follow(ctx context.Context, c client.Client, run client.WorkflowRun, kind string, v View) (json.RawMessage, error) {
	type outcome struct {
		result json.RawMessage
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		var o outcome
		o.err = run.Get(ctx, &o.result)
		ended <- o
	}()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	notes, said := make(chan string), make(chan Progress)
	go a.WatchQueues(watching, c, notes)
	go a.poll(watching, c, kind, run.GetID(), said)
	defer v.End()
	for {
		select {
		case o := <-ended:
			// The last query can be old; a short job can have no query at all.
			if p, ok := a.Progress(ctx, c, kind, run.GetID()); ok {
				v.Show(p, true)
			}
			return o.result, o.err
		case text := <-notes:
			v.Note(text)
		case p := <-said:
			v.Show(p, false)
		}
	}
}

// Ask runs a short workflow for this command only: an interrupt cancels it.
func (a *App) Ask(ctx context.Context, j Job, result any) (json.RawMessage, error) {
	j.Timeout = cmp.Or(j.Timeout, time.Hour) // long enough for a command whose result the user waits for
	if a.plan != nil {
		return nil, a.plan.take(j)
	}
	c, err := a.Connect(ctx)
	if err != nil {
		return nil, err
	}
	run, _, err := a.Start(ctx, c, j)
	if err != nil {
		return nil, err
	}
	raw, err := a.follow(ctx, c, run, "", silent{a.Err})
	if ctx.Err() != nil {
		return nil, errors.Join(interrupted("interrupted"), CancelSoon(c, run.GetID()))
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return nil, fmt.Errorf("read the result of %s: %w", j.ID, err)
	}
	a.Forget(ctx, c, j.Kind, run)
	return raw, nil
}

// CancelSoon requests a cancellation after the context of the command has ended.
func CancelSoon(c client.Client, id string) error {
	ctx, stop := context.WithTimeout(context.Background(), dialTimeout)
	defer stop()
	err := c.CancelWorkflow(ctx, id, "")
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return nil
	}
	return err
}
