package main

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/jobs"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows"
)

// answerIn is how long a caller waits for workers before it is told that none answers.
const answerIn = 30 * time.Second

// retryIn is what a caller is told to wait when the server or the workers do not answer.
const retryIn = 5 * time.Second

// asker answers questions by workers, in the way of the command line.
type asker struct {
	app      *cli.App
	temporal client.Client
}

func newAsker(getenv func(string) string, temporal client.Client, server submit.Server) *asker {
	app := &cli.App{Process: cli.Process{Version: version, Getenv: getenv, Out: io.Discard, Err: io.Discard}, Quiet: true}
	app.Use(temporal, server)
	return &asker{app: app, temporal: temporal}
}

// serverError is what a caller is told about an error of the Temporal server or of a workflow.
func serverError(ctx context.Context, err error) error {
	why := cli.Explain(err)
	switch {
	case ctx.Err() != nil:
		return &api.Error{
			Status: http.StatusServiceUnavailable, Code: api.CodeBusy, RetryAfter: retryIn, Err: err,
			Message: "neither the Temporal server nor a worker answered in " + answerIn.String() + "; `cogflow pools` shows the workers",
		}
	case fault.ClassOf(err) != "":
		return err
	case why.Class != "":
		return &fault.Error{Class: fault.Class(why.Class), Op: why.Message}
	}
	if jobs.Unavailable(err) {
		return &api.Error{
			Status: http.StatusServiceUnavailable, Code: "temporal_unavailable", Message: "the Temporal server does not answer, so no worker can be asked; ask again later",
			RetryAfter: retryIn, Err: err,
		}
	}
	return err
}

// Ask implements api.Asker.
func (a *asker) Ask(ctx context.Context, q api.Question, result any) error {
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
