package jobs

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"strings"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// List is a page of jobs.
type List struct {
	Jobs []Job  `json:"jobs"`
	Next string `json:"next_cursor,omitempty" jsonschema:"cursor of the next page; absent = this is the last"`
}

const (
	defaultLimit = 50
	maxLimit     = 500
	maxCursor    = 4096
)

// statuses are those of the server, by the states of jobs.
func statuses() map[string]string {
	return map[string]string{
		StateRunning: "Running", StateCompleted: "Completed", StateFailed: "Failed", StateCancelled: "Canceled", StateStopped: "Terminated", StateTimedOut: "TimedOut",
	}
}

func listParams() []api.Param {
	return []api.Param{
		{Name: "type", Text: "only jobs of this type"},
		{Name: "state", Text: "only jobs in this state: running, completed, failed, cancelled, terminated or timed_out"},
		{Name: "limit", Text: "maximum number of jobs, 1 to 500 (default 50)"},
		{Name: "cursor", Text: "next_cursor of the page before"},
	}
}

func (a *API) list(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	request, err := a.listRequest(r, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	found, err := a.Temporal.ListWorkflow(ctx, request)
	if err != nil {
		return told(err)
	}
	out := List{Jobs: []Job{}, Next: cursorOf(found.GetNextPageToken())}
	for _, e := range found.GetExecutions() {
		if j := a.summary(e); textOf(e.GetSearchAttributes().GetIndexedFields()[workflows.AttrTenant]) == string(c.Tenant) {
			out.Jobs = append(out.Jobs, j)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

// listRequest makes the query. Only names from tables and the checked name of a tenant get into it.
func (a *API) listRequest(r *http.Request, c api.Caller) (*workflowservice.ListWorkflowExecutionsRequest, error) {
	q := api.Query(r, listParams())
	parts := []string{
		workflows.AttrTenant + " = " + quoted(string(c.Tenant)), "TaskQueue = " + quoted(workflows.QueueMain),
	}
	if name := q.Text("type"); name != "" {
		t, ok := submit.TypeNamed(name)
		if !ok {
			return nil, api.BadField("type", "must be one of "+typeNames())
		}
		parts = append(parts, "WorkflowType = "+quoted(t.Name))
	} else {
		var jobs []string
		for _, t := range catalog.Types() {
			if t.Job {
				jobs = append(jobs, quoted(t.Name))
			}
		}
		parts = append(parts, "ParentWorkflowId IS NULL", "WorkflowType IN ("+strings.Join(jobs, ", ")+")")
	}
	if state := q.Word("state", "", StateRunning, StateCompleted, StateFailed, StateCancelled, StateStopped, StateTimedOut); state != "" {
		parts = append(parts, "ExecutionStatus = "+quoted(statuses()[state]))
	}
	limit := q.Int("limit", defaultLimit, 1, maxLimit)
	token, ok := tokenOf(q.Text("cursor"))
	if !ok {
		return nil, api.BadField("cursor", "must be the next_cursor of the page before")
	}
	if err := q.Err(); err != nil {
		return nil, err
	}
	return &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: a.Server.Namespace, Query: strings.Join(parts, " AND "), PageSize: int32(limit), NextPageToken: token, //nolint:gosec // at most maxLimit
	}, nil
}

// cursorOf is the cursor of a token of the server: both, with a checksum. The server answers a token that
// is none of its own as if it were down, and only it knows their form.
func cursorOf(token []byte) string {
	if len(token) == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(token)), token...))
}

// tokenOf is the token of a cursor; ok is false if a cursor is not one.
func tokenOf(cursor string) (token []byte, ok bool) {
	if cursor == "" {
		return nil, true
	}
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(data) <= crc32.Size || len(data) > maxCursor {
		return nil, false
	}
	token = data[crc32.Size:]
	return token, crc32.ChecksumIEEE(token) == binary.BigEndian.Uint32(data)
}

// quoted formats a text as a value of a visibility query.
func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
