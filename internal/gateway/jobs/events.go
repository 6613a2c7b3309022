package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// The states of a job are numbered by its history, so that any gateway continues where another
// one ended. A caller that comes back gets the present state, not each state in between.

// Events is the answer of a long poll.
type Events struct {
	Events []Event `json:"events" jsonschema:"the present state, if it is newer than after; else empty"`
	Next   int64   `json:"next" jsonschema:"after for the next request"`
}

// Event is one state of a job.
type Event struct {
	ID    int64  `json:"id"`
	Event string `json:"event" jsonschema:"state, or end: no other event follows"`
	Job   Job    `json:"job"`
}

const (
	eventState = "state"
	eventEnd   = "end"
)

const (
	pollEvery  = time.Second      // how often a watched job is asked
	aliveEvery = 15 * time.Second // a proxy cuts a stream that is silent for long
	retryMS    = 2000             // when a client comes back after a cut stream
)

func eventsParams() []api.Param {
	return append(resultParams(), api.Param{Name: "after", Text: "id of the last event that the caller knows (default none)"},
		api.Param{Name: "Last-Event-ID", Text: "as after, for streams", Header: true})
}

func (a *API) events(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	q := api.Query(r, eventsParams())
	wait, err := waitOf(q)
	if err != nil {
		return err
	}
	after, err := afterOf(q, r)
	if err != nil {
		return err
	}
	first, err := a.next(r.Context(), c, r.PathValue("id"), after, 0)
	if err != nil {
		return err
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return a.stream(w, r, c, first, watched{after: after, show: jobEvent})
	}
	if first == nil && wait > 0 {
		if first, err = a.next(r.Context(), c, r.PathValue("id"), after, wait); err != nil {
			return err
		}
	}
	out := Events{Events: []Event{}, Next: after}
	if first != nil {
		out.Events, out.Next = []Event{*first}, first.ID
	}
	w.Header().Set("Cache-Control", "no-store")
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

// afterOf is the number of the state that the caller knows; 0 = none.
func afterOf(q *api.Values, r *http.Request) (int64, error) {
	text := q.Text("after")
	if text == "" {
		text = r.Header.Get("Last-Event-ID")
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, api.BadField("after", "must be the id of an event")
	}
	return n, nil
}

// next waits for another state than that with the number after; nil = there is none yet. A state
// that has ended is answered again, so that a caller always learns the end.
func (a *API) next(ctx context.Context, c api.Caller, id string, after int64, wait time.Duration) (*Event, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for end := time.Now().Add(wait); ; {
		d, err := a.find(ctx, c, id)
		if err != nil {
			return nil, err
		}
		if j := a.summary(d.GetWorkflowExecutionInfo()); j.Event != after || j.State != StateRunning {
			if j, err = a.status(ctx, d); err != nil {
				return nil, err
			}
			e := Event{ID: j.Event, Event: eventState, Job: j}
			if j.State != StateRunning {
				e.Event = eventEnd
			}
			return &e, nil
		}
		if !time.Now().Before(end) {
			return nil, nil //nolint:nilnil // nothing new
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// watched is how a stream shows a job.
type watched struct {
	after int64                                        // the state that the caller knows
	idle  time.Duration                                // without a new state, after which it ends; 0 = until the job ends
	show  func(context.Context, Event) (string, error) // an event in its form
}

func jobEvent(_ context.Context, e Event) (string, error) {
	data, err := json.Marshal(e.Job)
	return fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Event, data), err
}

// stream sends the states of a job as they come, until it ends. A stream that is cut has no event
// end, and the client continues with Last-Event-ID.
func (a *API) stream(w http.ResponseWriter, r *http.Request, c api.Caller, e *Event, how watched) error {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	control := http.NewResponseController(w)
	send := func(text string) error {
		if _, err := fmt.Fprint(w, text); err != nil {
			return err
		}
		return control.Flush()
	}
	if err := send(fmt.Sprintf("retry: %d\n\n", retryMS)); err != nil {
		return err
	}
	for silent := time.Duration(0); how.idle == 0 || silent < how.idle; silent += aliveEvery {
		text := ": waiting\n\n"
		if e != nil {
			var err error
			if text, err = how.show(r.Context(), *e); err != nil {
				return a.cut(send, err)
			}
			how.after, silent = e.ID, 0
		}
		if err := send(text); err != nil || e != nil && e.Event == eventEnd {
			return err
		}
		var err error
		if e, err = a.next(r.Context(), c, r.PathValue("id"), how.after, aliveEvery); err != nil {
			return a.cut(send, err)
		}
	}
	return nil
}

// cut ends a stream with the reason, if the client is still there.
func (a *API) cut(send func(string) error, cause error) error {
	data, err := json.Marshal(api.Of(cause).Document())
	if err != nil {
		return err
	}
	if err := send(fmt.Sprintf("event: error\ndata: %s\n\n", data)); err != nil {
		return err
	}
	return &api.Told{Err: cause}
}
