package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// Started is the answer to a start.
type Started struct {
	ID       string `json:"id"`
	RunID    string `json:"run_id"`
	Type     string `json:"type" jsonschema:"workflow type"`
	State    string `json:"state"`
	UI       string `json:"ui" jsonschema:"page of the run in the Temporal Web UI"`
	Attached bool   `json:"attached" jsonschema:"the job existed; this request started nothing"`
}

// memoRequest is the memo with the hash of the request, by which a repeated key is recognized.
const memoRequest = "request"

// lookupTime bounds a workflow that only answers a question.
const lookupTime = time.Hour

func (a *API) start(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	t, ok := submit.TypeNamed(r.PathValue("type"))
	if !ok {
		return api.Fail(http.StatusNotFound, CodeUnknownType, "there is no such workflow type; the types are "+typeNames())
	}
	if operates(t.Name) && !c.Local {
		return api.Fail(http.StatusForbidden, "operators_only", t.Name+" concerns all tenants; start it at a listener that only the gateway's host can reach, or with cogflow")
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	body, err := api.ReadJSON(r)
	if err != nil {
		return err
	}
	started, err := a.Start(r.Context(), c, t, body, key)
	if err != nil {
		return err
	}
	w.Header().Set("Location", api.JobPath(started.ID))
	api.WriteJSON(w, http.StatusAccepted, started)
	return nil
}

// Start starts the job of an input, or attaches to it. key is an idempotency key; "" = none: the
// id of the job is made of its input then, as by `cogflow`.
func (a *API) Start(ctx context.Context, c api.Caller, t catalog.Type, input []byte, key string) (Started, error) {
	j, err := submit.Read(t, input, c.Tenant, a.Active)
	if err != nil {
		return Started{}, err
	}
	if j.DryRun {
		j.ID, j.Summary = submit.DryRunID(j.ID), "dry run: "+j.Summary
	}
	if !t.Job {
		j.Timeout = lookupTime
	}
	request, err := requestHash(j)
	if err != nil {
		return Started{}, err
	}
	if key != "" {
		sum := sha256.Sum256([]byte(string(c.Tenant) + "\x00" + key))
		j.ID = "job-" + string(c.Tenant) + "-" + hex.EncodeToString(sum[:16])
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	started, err := a.submit(ctx, c, j, key != "", request)
	if err != nil {
		return started, told(err)
	}
	a.Log.Info("job started", append(c.Attrs(), slog.String("job", started.ID), slog.String("run", started.RunID),
		slog.String("type", t.Name), slog.Bool("attached", started.Attached))...)
	return started, nil
}

// submit starts a job. Ids are made of the names of tenants, which may contain hyphens, so another
// tenant can have the id: then the job gets an id that is certainly its own.
func (a *API) submit(ctx context.Context, c api.Caller, j submit.Job, keyed bool, request string) (Started, error) {
	own := j.ID + "-" + request[:12] + "-" + hashOf(string(c.Tenant))[:12]
	if !keyed {
		d, err := a.describe(ctx, j.ID)
		if _, missing := errors.AsType[*serviceerror.NotFound](err); err != nil && !missing {
			return Started{}, err
		} else if err == nil && ownerOf(d) != string(c.Tenant) {
			j.ID = own
		}
	}
	for {
		options := j.Options()
		options.WorkflowIDConflictPolicy, options.WorkflowExecutionErrorWhenAlreadyStarted = enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, true
		if keyed {
			options.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
		}
		if options.Memo == nil {
			options.Memo = map[string]any{}
		}
		options.Memo[memoRequest] = request
		run, err := a.Temporal.ExecuteWorkflow(ctx, options, j.Kind, j.Input)
		if err == nil {
			return Started{ID: j.ID, RunID: run.GetRunID(), Type: j.Kind, State: StateRunning, UI: a.Server.Link(j.ID, run.GetRunID())}, nil
		}
		if _, there := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); !there {
			return Started{}, err
		}
		d, err := a.describe(ctx, j.ID)
		switch {
		case err != nil:
			return Started{}, err
		case ownerOf(d) == string(c.Tenant):
			return a.attach(d, keyed, request)
		case j.ID == own:
			return Started{}, noJob()
		}
		j.ID = own
	}
}

func (a *API) attach(d *workflowservice.DescribeWorkflowExecutionResponse, keyed bool, request string) (Started, error) {
	info := d.GetWorkflowExecutionInfo()
	if keyed && textOf(info.GetMemo().GetFields()[memoRequest]) != request {
		return Started{}, &api.Error{
			Status: http.StatusUnprocessableEntity, Code: CodeOtherBody, Param: "Idempotency-Key",
			Message: "the key was used for another request; use a new key for each job", Final: true,
		}
	}
	id, run := info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId()
	return Started{ID: id, RunID: run, Type: info.GetType().GetName(), State: stateOf(info.GetStatus()), UI: a.Server.Link(id, run), Attached: true}, nil
}

// requestHash identifies a request: the type and the input, however it was written.
func requestHash(j submit.Job) (string, error) {
	data, err := json.Marshal(j.Input)
	return hashOf(j.Kind + "\x00" + string(data)), err
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func idempotencyKey(r *http.Request) (string, error) {
	const most = 255
	all := r.Header.Values("Idempotency-Key")
	if len(all) == 0 {
		return "", nil
	}
	key := strings.TrimSpace(all[0])
	if len(all) > 1 || key == "" || len(key) > most || strings.IndexFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
		return "", api.BadField("Idempotency-Key", "must be one text of 1 to 255 printable ASCII characters")
	}
	return key, nil
}

// operates reports whether a workflow type concerns what all tenants share: hosts, model servers
// and their output.
func operates(kind string) bool {
	switch kind {
	case "ListModelServers", "WarmModelServer", "ReleaseModelServer", "CheckHealth":
		return true
	}
	return false
}

func typeNames() string {
	var all []string
	for _, t := range catalog.Types() {
		all = append(all, submit.Names(t)[0])
	}
	return strings.Join(all, ", ")
}
