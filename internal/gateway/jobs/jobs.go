// Package jobs has the routes of jobs: start, list, watch, steer, and read results and reports.
// Temporal has all state of jobs, so any gateway answers for any job. It knows no worker and no
// recipe, and no other route.
package jobs

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/workflows"
)

// API has the routes.
type API struct {
	Temporal client.Client
	Server   submit.Server
	Store    func(context.Context) (Store, error) // opens it, or returns the open one
	Active   string                               // profile of inputs without one
	Log      *slog.Logger
	Files    Files // keeps the files of /ingestion/upload
	MostFile int64 // bytes of such a file
}

// Store reads objects.
type Store interface {
	Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error)
}

const tag = "jobs"

// Codes of errors that clients handle.
const (
	CodeNoJob       = "job_not_found"
	CodeUnfinished  = api.CodeUnfinished // the result comes later
	CodeNoResult    = "job_has_no_result"
	CodeNoServer    = "temporal_unavailable"
	CodeOtherBody   = "idempotency_key_reused"
	CodeNotTaken    = "action_not_supported"
	CodeUnknownType = "unknown_type"
)

// maxInput is the size of a start input: what the server takes in one payload.
const maxInput = 2 << 20

// maxTuning is the size of the body of tune.
const maxTuning = 4 << 10

// answerTime bounds one call of the Temporal server, because the caller waits for it.
const answerTime = 10 * time.Second

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	id := api.Param{Name: "id", Text: "id of the job, percent-encoded: it can contain slashes"}
	gone := []int{http.StatusNotFound, http.StatusBadGateway}
	route := func(method, path, name, summary string, handle api.Handler) api.Route {
		return api.Route{Method: method, Path: path, Name: name, Tag: tag, Summary: summary, Query: []api.Param{id}, Errors: slices.Clone(gone), Handle: handle}
	}
	start := route(http.MethodPost, "/jobs/{type}", "startJob", "Start a job, or attach to the running job with the same input", a.start)
	start.Query = []api.Param{
		{Name: "type", Text: "workflow type, such as ingest, train-sft, optimize, search or IngestVideo"},
		{Name: "Idempotency-Key", Text: "requests with the same key start one job; it may have 255 printable characters", Header: true},
	}
	start.Request, start.Response, start.Status, start.MaxBody = Input{}, Started{}, http.StatusAccepted, maxInput
	start.Errors = append(start.Errors, http.StatusUnprocessableEntity)
	list := route(http.MethodGet, "/jobs", "listJobs", "List the jobs of the tenant, running ones first", a.list)
	list.Query, list.Response = listParams(), List{}
	show := route(http.MethodGet, "/jobs/{id}", "getJob", "State, progress and cost of a job", a.show)
	show.Response = Job{}
	result := route(http.MethodGet, "/jobs/{id}/result", "getJobResult", "Result of a completed job", a.result)
	result.Query, result.Response = append(result.Query, resultParams()...), Result{}
	result.Errors = append(result.Errors, http.StatusConflict)
	report := route(http.MethodGet, "/jobs/{id}/report", "getJobReport", "HTML report of a completed job", a.report)
	report.Media, report.Errors = "text/html", append(report.Errors, http.StatusConflict)
	events := route(http.MethodGet, "/jobs/{id}/events", "watchJob", "States of a job: a long poll, or a stream if Accept names text/event-stream", a.events)
	events.Query = append(events.Query, eventsParams()...)
	events.Response, events.Stream = Events{}, true
	all := []api.Route{start, list, show, result, report, events}
	action := func(name, summary string, do func(context.Context, *http.Request, Job) error) api.Route {
		r := route(http.MethodPost, "/jobs/{id}/"+name, name+"Job", summary, a.act(name, do))
		r.Response, r.Status, r.Errors = Acted{}, http.StatusAccepted, append(r.Errors, http.StatusConflict)
		return r
	}
	tune := action("tune", "Change the budget or the concurrency of a running job, or answer its question", a.tune)
	tune.Request, tune.MaxBody = Tuning{}, maxTuning
	all = slices.Concat(all, a.ingestionRoutes(), a.ingestStateRoutes(), a.folderRoutes())
	return append(all, tune,
		action("cancel", "Cancel a job and everything it started", a.cancel),
		action("pause", "Pause a job", a.signal(workflows.SignalPause)),
		action("resume", "Resume a paused job", a.signal(workflows.SignalResume)),
		action("stop", "End training or optimization early, and keep the best so far", a.signal(workflows.SignalStop)))
}

// Input is the public input of the workflow type, as for `temporal workflow start`. The reference
// of workflows lists the fields of each type.
type Input map[string]any

// Result is the result of the workflow type; see the reference of workflows.
type Result map[string]any

// noJob is the answer for a job that does not exist, and for a job of another tenant.
func noJob() error {
	return api.Fail(http.StatusNotFound, CodeNoJob, "the tenant has no job with this id; GET /jobs lists its jobs")
}

// validID reports whether the server could have a job with this id. Ids of jobs are ASCII: the client
// sends them in headers.
func validID(id string) bool {
	return id != "" && len(id) <= workflows.MaxWorkflowID && strings.IndexFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// told is what a caller is told about an error of the Temporal server.
func told(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*api.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	busy := &api.Error{
		Status: http.StatusServiceUnavailable, Code: CodeNoServer, RetryAfter: retryAfter, Err: err,
		Message: "the Temporal server, which runs the jobs, does not answer; models are served without it. Try again",
	}
	if Unavailable(err) {
		return busy
	}
	switch e := err.(type) { //nolint:errorlint // the client returns them as they are
	case *serviceerror.NotFound:
		return noJob()
	case *serviceerror.InvalidArgument:
		return &api.Error{Status: http.StatusBadRequest, Code: "invalid_request", Message: "the Temporal server refuses the request: " + e.Error(), Err: err}
	case *serviceerror.PermissionDenied:
		return fault.Wrap(fault.Auth, "call", "the Temporal server", err)
	case serviceerror.ServiceError:
		return fault.Wrap(fault.Transport, "call", "the Temporal server", err)
	}
	if _, _, ok := submit.Cause(err); ok {
		return err
	}
	return busy // the client's own errors: it has no connection
}

// Unavailable reports whether an error says that the Temporal server does not answer, or not now.
func Unavailable(err error) bool {
	_, down := errors.AsType[*serviceerror.Unavailable](err)
	_, late := errors.AsType[*serviceerror.DeadlineExceeded](err)
	_, full := errors.AsType[*serviceerror.ResourceExhausted](err)
	_, cut := errors.AsType[*serviceerror.Canceled](err)
	_, young := errors.AsType[*serviceerror.NamespaceNotFound](err)
	return down || late || full || cut || young || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

const retryAfter = 5 * time.Second
