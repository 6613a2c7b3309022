package jobs

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/submit"
)

// maxWait is how long a request waits for a change: proxies cut requests that take longer.
const maxWait = time.Minute

func resultParams() []api.Param {
	return []api.Param{{Name: "wait", Text: "how long to wait, such as 30s; at most 60s (default 0s)"}}
}

// waitOf reads the parameter wait.
func waitOf(q *api.Values) (time.Duration, error) {
	text := q.Text("wait")
	if text == "" || q.Err() != nil {
		return 0, q.Err()
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, api.BadField("wait", "must be a time such as 30s, at most 60s")
	}
	return min(d, maxWait), nil
}

func (a *API) result(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	wait, err := waitOf(api.Query(r, resultParams()))
	if err != nil {
		return err
	}
	d, err := a.find(r.Context(), c, r.PathValue("id"))
	if err != nil {
		return err
	}
	j := a.summary(d.GetWorkflowExecutionInfo())
	within := answerTime
	if j.State == StateRunning {
		if within = wait; wait == 0 {
			return unfinished()
		}
	}
	raw, err := a.outcome(r.Context(), j, within)
	if err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusOK, raw)
	return nil
}

// outcome waits for the end of a job. Its error says that there is no result, and why.
func (a *API) outcome(parent context.Context, j Job, within time.Duration) (json.RawMessage, error) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	// A deadline would be sent to the server, which ends the call a moment before it: then a job that
	// runs could not be told from a server that does not answer.
	var late atomic.Bool
	timer := time.AfterFunc(within, func() {
		late.Store(true)
		cancel()
	})
	defer timer.Stop()
	var raw json.RawMessage
	err := a.Temporal.GetWorkflow(ctx, j.ID, j.RunID).Get(ctx, &raw)
	if err == nil {
		return raw, nil
	}
	if class, message, ok := submit.Cause(err); ok {
		return nil, &api.Error{
			Status: http.StatusConflict, Code: CodeNoResult, Final: true,
			Message: "the job ended without a result: " + class + " error: " + message + ". " + advice(class),
		}
	}
	switch {
	case parent.Err() != nil:
		return nil, parent.Err()
	case late.Load() && j.State == StateRunning:
		return nil, unfinished()
	}
	return nil, told(err)
}

func unfinished() error {
	return &api.Error{Status: http.StatusConflict, Code: CodeUnfinished, RetryAfter: time.Second, Message: "the job has not finished; wait for it with ?wait=30s or /events"}
}
