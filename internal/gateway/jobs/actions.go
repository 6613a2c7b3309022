package jobs

import (
	"context"
	"log/slog"
	"net/http"

	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// Acted is the answer to an action.
type Acted struct {
	ID   string `json:"id"`
	Done string `json:"done" jsonschema:"the action that the job has received"`
}

// Tuning changes a running job. Fields that are absent stay as they are.
type Tuning struct {
	Concurrency *int     `json:"concurrency,omitempty" jsonschema:"concurrent videos of an ingest, 1 to 256"`
	BudgetUSD   *float64 `json:"budget_usd,omitempty" jsonschema:"hard limit in USD; 0 = none"`
	Approve     *bool    `json:"approve,omitempty" jsonschema:"promote the program that waits for approval, or keep the old one"`
}

// act makes the handler of an action.
func (a *API) act(name string, do func(ctx context.Context, r *http.Request, j Job) error) api.Handler {
	return func(w http.ResponseWriter, r *http.Request, c api.Caller) error {
		d, err := a.find(r.Context(), c, r.PathValue("id"))
		if err != nil {
			return err
		}
		j := a.summary(d.GetWorkflowExecutionInfo())
		if j.State != StateRunning {
			return api.Fail(http.StatusConflict, "job_ended", "the job has ended, so it cannot be changed; POST /jobs/{type} starts another one")
		}
		ctx, cancel := context.WithTimeout(r.Context(), answerTime)
		defer cancel()
		if err := do(ctx, r, j); err != nil {
			return told(err)
		}
		a.Log.Info("job steered", append(c.Attrs(), slog.String("job", j.ID), slog.String("action", name))...)
		api.WriteJSON(w, http.StatusAccepted, Acted{ID: j.ID, Done: name})
		return nil
	}
}

func (a *API) cancel(ctx context.Context, _ *http.Request, j Job) error {
	return a.Temporal.CancelWorkflow(ctx, j.ID, "")
}

// signal sends a signal to a job that supports it. The server would store any other signal, and
// the workflow would never read it.
func (a *API) signal(name string) func(context.Context, *http.Request, Job) error {
	return func(ctx context.Context, _ *http.Request, j Job) error {
		if err := takes(j, name); err != nil {
			return err
		}
		return a.Temporal.SignalWorkflow(ctx, j.ID, "", name, nil)
	}
}

func takes(j Job, name string) error {
	if !catalog.Takes(j.Type, name) {
		return api.Fail(http.StatusConflict, CodeNotTaken, "a job of the type "+j.Type+" does not support "+name)
	}
	return nil
}

func (a *API) tune(ctx context.Context, r *http.Request, j Job) error {
	var in Tuning
	if err := api.Decode(r, &in); err != nil {
		return err
	}
	if in == (Tuning{}) {
		return api.BadField("budget_usd", "set budget_usd, concurrency or approve")
	}
	if in.BudgetUSD != nil {
		if err := money.CheckLimit(*in.BudgetUSD); err != nil {
			return fault.Wrap(fault.Input, "read input", "budget_usd", err)
		}
	}
	// All are checked before the first is sent.
	type change struct {
		name  string
		value any
	}
	var changes []change
	if in.Concurrency != nil {
		changes = append(changes, change{workflows.UpdateConcurrency, *in.Concurrency})
	}
	if in.BudgetUSD != nil {
		changes = append(changes, change{workflows.UpdateBudget, *in.BudgetUSD})
	}
	if in.Approve != nil {
		changes = append(changes, change{workflows.UpdateApprove, *in.Approve})
	}
	for _, one := range changes {
		if err := takes(j, one.name); err != nil {
			return err
		}
	}
	for _, one := range changes {
		handle, err := a.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: j.ID, UpdateName: one.name, Args: []any{one.value}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err != nil {
			return err
		}
		if err := handle.Get(ctx, nil); err != nil {
			return refusal(one.name, err)
		}
	}
	return nil
}
