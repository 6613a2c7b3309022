package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows"
)

// answerIn is how long a caller waits for workers before it is told that none answers.
const answerIn = 30 * time.Second

// retryIn is what a caller is told to wait when the server or the workers do not answer.
const retryIn = 5 * time.Second

// asker answers questions by workers, in the way of the command line. It connects at the first
// question: models are served although the Temporal server is down.
type asker struct {
	mu  sync.Mutex
	app cli.App
}

func newAsker(getenv func(string) string) *asker {
	return &asker{app: cli.App{Process: cli.Process{Version: version, Getenv: getenv, Out: io.Discard, Err: io.Discard}, Quiet: true}}
}

// connect makes the connection that app.Ask uses.
func (a *asker) connect(ctx context.Context) (client.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, err := a.app.Connect(ctx)
	if err != nil {
		return nil, unreachable(err)
	}
	return c, nil
}

func unreachable(err error) error {
	return &api.Error{
		Status: http.StatusServiceUnavailable, Code: "temporal_unavailable", Message: "the Temporal server does not answer, so no worker can be asked; ask again later",
		RetryAfter: retryIn, Err: err,
	}
}

// serverError is what a caller is told about an error of the Temporal server or of a workflow.
func serverError(ctx context.Context, err error) error {
	why := cli.Explain(err)
	switch {
	case ctx.Err() != nil:
		return &api.Error{
			Status: http.StatusServiceUnavailable, Code: "no_worker", Message: "no worker answered in " + answerIn.String() + "; `cogflow pools` shows the workers",
			RetryAfter: retryIn, Err: err,
		}
	case fault.ClassOf(err) != "":
		return err
	case why.Class != "":
		return &fault.Error{Class: fault.Class(why.Class), Op: why.Message}
	}
	if _, ok := errors.AsType[*serviceerror.Unavailable](err); ok {
		return unreachable(err)
	}
	return err
}

// Ask implements api.Asker.
func (a *asker) Ask(ctx context.Context, q api.Question, result any) error {
	if _, err := a.connect(ctx); err != nil {
		return err
	}
	wait, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	_, err := a.app.Ask(wait, submit.Job{
		Kind: q.Kind, ID: q.Stem + "-" + string(q.Tenant) + "-" + uuid.NewString(), Profile: q.Profile, Summary: q.Summary, Input: q.Input,
		Common: workflows.Common{Tenant: string(q.Tenant), Priority: 1},
	}, result)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil { // the caller has gone
		return ctx.Err()
	}
	return serverError(wait, err)
}

// close ends the connection.
func (a *asker) close() { a.app.Close() }
