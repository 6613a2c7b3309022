package budget

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

const (
	pageSize = 500
	toldAt   = 16 // concurrent signals
)

// tell makes the runs that wait for budget try again, and prints what was done. The budget is
// changed already: if the server does not answer, that is said, and the exit code is 3.
func (a app) tell(ctx context.Context, b money.Budget, out changed) error {
	told, err := 0, error(nil)
	if !b.Soft { // nobody waits for a soft one
		told, err = a.signal(ctx, b.Scope)
	}
	out.Told = told
	if err != nil {
		out.Error = err.Error()
	}
	switch {
	case a.JSON:
		if err := a.PrintJSON(out); err != nil {
			return err
		}
	case told > 0:
		a.Say("%s told to try again.", format.Count(told, "waiting job was", "waiting jobs were"))
	}
	if err == nil {
		return nil
	}
	a.Note("The budget is changed, but jobs that wait for it could not be told: %v. They try again by themselves, the first time after 8 seconds "+
		"and later every 6 hours. Repeat the command when the server answers.", err)
	return &cli.ExitError{Code: cli.ExitPartial}
}

func (a app) signal(ctx context.Context, s money.Scope) (int, error) {
	c, err := a.Connect(ctx)
	if err != nil {
		return 0, err
	}
	return Tell(ctx, c, s)
}

// Tell signals every run of a scope that waits for budget, and counts them.
func Tell(ctx context.Context, c client.Client, s money.Scope) (int, error) {
	var told atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(toldAt)
	for token := []byte(nil); ; {
		// A run that waits for the index, too, has another stage.
		r, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query:    fmt.Sprintf("TaskQueue = '%s' AND ExecutionStatus = 'Running' AND %s IN ('budget', 'blocked')", workflows.QueueMain, workflows.AttrStage),
			PageSize: pageSize, NextPageToken: token,
		})
		if err != nil {
			err = errors.Join(group.Wait(), err)
			return int(told.Load()), err
		}
		for _, e := range r.GetExecutions() {
			if !waits(e, s) {
				continue
			}
			group.Go(func() error {
				done, err := signalOne(ctx, c, e.GetExecution().GetWorkflowId())
				if done {
					told.Add(1)
				}
				return err
			})
		}
		if token = r.GetNextPageToken(); len(token) == 0 {
			err := group.Wait()
			return int(told.Load()), err
		}
	}
}

// waits reports whether a run may wait for a budget of a scope. Its model is not known.
func waits(e *workflowpb.WorkflowExecutionInfo, s money.Scope) bool {
	if !catalog.Takes(e.GetType().GetName(), workflows.SignalBudgets) {
		return false
	}
	owner := ""
	payload := e.GetSearchAttributes().GetIndexedFields()[workflows.AttrTenant]
	if payload == nil || converter.GetDefaultDataConverter().FromPayload(payload, &owner) != nil {
		return true
	}
	return s.Covers(owner, s.Model)
}

func signalOne(ctx context.Context, c client.Client, id string) (told bool, err error) {
	err = c.SignalWorkflow(ctx, id, "", workflows.SignalBudgets, nil)
	if _, ended := errors.AsType[*serviceerror.NotFound](err); ended {
		return false, nil
	}
	return err == nil, err
}
