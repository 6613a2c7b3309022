package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// IngestState is the answer to a question about an ingestion.
type IngestState struct {
	ID      string       `json:"ingest_id"`
	State   string       `json:"state" jsonschema:"queued, processing, complete or failed"`
	Events  int          `json:"events_count" jsonschema:"always 1"`
	Latest  IngestNote   `json:"latest"`
	History []IngestNote `json:"history" jsonschema:"the latest state alone: the Temporal Web UI has the history"`
}

// IngestNote is the state of an ingestion, and the data of its events.
type IngestNote struct {
	State  string `json:"state"`
	Error  string `json:"error,omitempty"`
	Result any    `json:"result,omitempty" jsonschema:"of a complete ingestion: video_id, documents_fed and chunks"`
}

// States of ingestions.
const (
	ingestQueued   = "queued"
	ingestWorks    = "processing"
	ingestComplete = "complete"
	ingestFailed   = "failed"
)

const lastEvent = "last-event-id"

func ingestEventsParams() []api.Param {
	return []api.Param{
		{Name: lastEvent, Text: "id of the last event that the caller knows (default none)"},
		{Name: "Last-Event-ID", Text: "likewise", Header: true},
		{Name: "timeout_seconds", Text: "end the stream after this time without an event, 30 to 3600 (default 600)"},
	}
}

func (a *API) ingestStateRoutes() []api.Route {
	id := api.Param{Name: "id", Text: "ingest_id"}
	state := api.Route{
		Method: http.MethodGet, Path: "/ingestion/{id}/status", Name: "getIngestion", Tag: "ingestion", Summary: "State of an ingestion, as Cogniverse's runtime answers it",
		Query: []api.Param{id}, Response: IngestState{}, Errors: []int{http.StatusNotFound, http.StatusBadGateway}, Handle: a.ingestState,
	}
	events := api.Route{
		Method: http.MethodGet, Path: "/ingestion/{id}/events", Name: "watchIngestion", Tag: "ingestion", Summary: "States of an ingestion as they come, as Cogniverse's runtime sends them",
		Query: append(ingestEventsParams(), id), Stream: true, Errors: []int{http.StatusNotFound, http.StatusBadGateway}, Handle: a.ingestEvents,
	}
	return []api.Route{state, events}
}

func (a *API) ingestState(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	j, err := a.ingestion(r.Context(), c, r.PathValue("id"), "IngestVideo")
	if err != nil {
		return err
	}
	note, err := a.ingestNote(r.Context(), j)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	api.WriteJSON(w, http.StatusOK, IngestState{ID: j.ID, State: note.State, Events: 1, Latest: note, History: []IngestNote{note}})
	return nil
}

// ingestion is the state of a job of a type. Jobs of other types have other results.
func (a *API) ingestion(ctx context.Context, c api.Caller, id, kind string) (Job, error) {
	d, err := a.find(ctx, c, id)
	if err != nil {
		return Job{}, err
	}
	if d.GetWorkflowExecutionInfo().GetType().GetName() != kind {
		return Job{}, noJob()
	}
	return a.status(ctx, d)
}

// ingestNote is the state of a job in the terms of Cogniverse's runtime.
func (a *API) ingestNote(ctx context.Context, j Job) (IngestNote, error) {
	switch {
	case j.State == StateCompleted:
		raw, err := a.outcome(ctx, j, answerTime)
		if err != nil {
			return IngestNote{}, err
		}
		var result ingest.VideoResult
		if err := json.Unmarshal(raw, &result); err != nil {
			return IngestNote{}, err
		}
		return IngestNote{State: ingestComplete, Result: map[string]any{"video_id": result.Video, "chunks": result.Frames, "documents_fed": result.Documents}}, nil
	case j.State != StateRunning:
		note := IngestNote{State: ingestFailed}
		if j.Error != nil {
			note.Error = j.Error.Message
		}
		return note, nil
	case j.Progress == nil && len(j.Steps) == 0:
		return IngestNote{State: ingestQueued}, nil
	}
	return IngestNote{State: ingestWorks}, nil
}

// ingestEvents sends the present state, and then each other one. Ids have the form of those of a Redis stream,
// as Cogniverse's callers may check it.
func (a *API) ingestEvents(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	const usual, shortest, longest = 600, 30, 3600
	q := api.Query(r, ingestEventsParams())
	idle := q.Int("timeout_seconds", usual, shortest, longest)
	text := cmp.Or(q.Text(lastEvent), r.Header.Get("Last-Event-ID"))
	if q.Err() != nil {
		return q.Err()
	}
	after := int64(0)
	if text != "" {
		number, rest, _ := strings.Cut(text, "-")
		n, err := strconv.ParseInt(number, 10, 64)
		if _, other := strconv.ParseUint(rest, 10, 64); err != nil || other != nil || n < 0 {
			return api.BadField(lastEvent, "must be the id of an event, such as 12-0")
		}
		after = n
	}
	if _, err := a.ingestion(r.Context(), c, r.PathValue("id"), "IngestVideo"); err != nil {
		return err
	}
	first, err := a.next(r.Context(), c, r.PathValue("id"), after, 0)
	if err != nil {
		return err
	}
	return a.stream(w, r, c, first, watched{after: after, idle: time.Duration(idle) * time.Second, show: a.ingestEvent})
}

func (a *API) ingestEvent(ctx context.Context, e Event) (string, error) {
	note, err := a.ingestNote(ctx, e.Job)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(note)
	return fmt.Sprintf("id: %d-0\ndata: %s\n\n", e.ID, data), err
}
