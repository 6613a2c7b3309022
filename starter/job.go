package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/workflows"
)

// job is one start of a workflow.
type job struct {
	kind    string // workflow type
	id      string
	common  workflows.Common
	profile string // for the search attribute; empty = none
	summary string // one line for the Web UI
	details string
	timeout time.Duration // of the whole run; 0 = none
	input   any
}

// started is what --detach prints.
type started struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	UI         string `json:"ui"`
}

// start begins a job, or attaches to the one that runs under its id.
func (a *app) start(ctx context.Context, c client.Client, j job) (run client.WorkflowRun, attached bool, err error) {
	running := runningRun(ctx, c, j.id)
	attributes := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(workflows.AttrTenant).ValueSet(j.common.Tenant),
		temporal.NewSearchAttributeKeyKeyword(workflows.AttrKind).ValueSet(j.kind),
	}
	if j.profile != "" {
		attributes = append(attributes, temporal.NewSearchAttributeKeyKeyword(workflows.AttrProfile).ValueSet(j.profile))
	}
	run, err = c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       j.id,
		TaskQueue:                workflows.QueueMain,
		WorkflowExecutionTimeout: j.timeout,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		TypedSearchAttributes:    temporal.NewSearchAttributes(attributes...),
		StaticSummary:            clean(j.summary),
		StaticDetails:            j.details,
		Priority:                 temporal.Priority{PriorityKey: j.common.Priority, FairnessKey: j.common.Tenant},
	}, j.kind, j.input)
	if err != nil {
		return nil, false, err
	}
	return run, running != "" && running == run.GetRunID(), nil
}

// runningRun returns the run that is open under id, or "". It only decides
// about a message, so a failure to look is no failure.
func runningRun(ctx context.Context, c client.Client, id string) string {
	d, err := c.DescribeWorkflow(ctx, id, "")
	if err != nil || workflows.Closed(d.Status) {
		return ""
	}
	return d.WorkflowExecution.RunID
}

// follow waits for a run to end, shows what happens and returns its result.
func (a *app) follow(ctx context.Context, c client.Client, run client.WorkflowRun, v view) (json.RawMessage, error) {
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
	notes, samples := make(chan string), make(chan sample)
	go a.watchQueues(watching, c, notes)
	go v.sampler(watching, c, run.GetID(), samples)
	defer v.end()
	for {
		select {
		case o := <-ended:
			if s, ok := v.lastSample(ctx, c, run.GetID()); ok {
				v.show(s)
			}
			return o.result, o.err
		case text := <-notes:
			v.note(text)
		case s := <-samples:
			v.show(s)
		}
	}
}

// ask runs a short workflow whose answer only we want: an interrupt cancels it.
func (a *app) ask(ctx context.Context, j job, result any) (json.RawMessage, error) {
	c, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	j.timeout = time.Hour // nobody waits longer for an answer
	run, _, err := a.start(ctx, c, j)
	if err != nil {
		return nil, err
	}
	raw, err := a.follow(ctx, c, run, &silent{out: a.err})
	if ctx.Err() != nil {
		return nil, errors.Join(interrupted("interrupted"), cancelSoon(c, run.GetID()))
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return nil, fmt.Errorf("read the result of %s: %w", j.id, err)
	}
	return raw, nil
}

// cancelSoon asks for a cancellation when our own context is gone already.
func cancelSoon(c client.Client, id string) error {
	ctx, stop := context.WithTimeout(context.Background(), dialTimeout)
	defer stop()
	err := c.CancelWorkflow(ctx, id, "")
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return nil
	}
	return err
}
