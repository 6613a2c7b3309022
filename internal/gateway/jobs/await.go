package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/workflows/catalog"
	"github.com/cogniverse/cogflow/workflows/job"
)

// lookEvery is how often a request that waits for a job looks whether the job waits for a person.
const lookEvery = 2 * time.Second

// Do starts the job of an input, or attaches to it, and waits for its result. id is that of the job,
// also with an error; "" = there is none.
func (a *API) Do(ctx context.Context, c api.Caller, kind string, input []byte, within time.Duration) (id string, result json.RawMessage, err error) {
	t, ok := catalog.TypeOf(kind)
	if !ok {
		return "", nil, fmt.Errorf("jobs: there is no workflow type %s", kind)
	}
	started, err := a.Start(ctx, c, t, input, "")
	if err != nil {
		return "", nil, err
	}
	result, err = a.await(ctx, Job{ID: started.ID, RunID: started.RunID, Type: kind, State: StateRunning}, within)
	return started.ID, result, err
}

// Await waits for the result of a job of a type of the caller's tenant.
func (a *API) Await(ctx context.Context, c api.Caller, kind, id string, within time.Duration) (json.RawMessage, error) {
	d, err := a.find(ctx, c, id)
	if err != nil {
		return nil, err
	}
	j := a.summary(d.GetWorkflowExecutionInfo())
	switch {
	case j.Type != kind:
		return nil, noJob()
	case j.State != StateRunning:
		return a.outcome(ctx, j, answerTime)
	}
	return a.await(ctx, j, within)
}

// await waits for the end of a job that runs. A server that does not answer for a while does not end
// the wait: it has the job. A job that waits for budget does.
func (a *API) await(ctx context.Context, j Job, within time.Duration) (json.RawMessage, error) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for end := time.Now().Add(within); ; {
		left := time.Until(end)
		if left <= 0 {
			return nil, unfinished()
		}
		raw, err := a.outcome(ctx, j, min(left, lookEvery))
		e, known := errors.AsType[*api.Error](err)
		switch {
		case known && e.Code == CodeNoServer:
			select {
			case <-ticker.C:
			case <-time.After(left):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			continue
		case !known || e.Code != CodeUnfinished:
			return raw, err
		}
		d, err := a.describe(ctx, j.ID)
		if err == nil && a.summary(d.GetWorkflowExecutionInfo()).Stage == job.StageBudget {
			return nil, &api.Error{
				Status: http.StatusTooManyRequests, Code: api.CodeBudget, Final: true,
				Message: "the job waits for budget, and goes on when the budget is raised or its period ends; GET " + api.JobPath(j.ID) + " says which",
			}
		}
	}
}
