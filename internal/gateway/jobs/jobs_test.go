package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/door"
	"github.com/cogniverse/cogflow/internal/gateway/jobs"
	"github.com/cogniverse/cogflow/internal/submit"
)

// journal is a log that tests read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// front is a gateway with listeners of the tenants default and other.
type front struct {
	t    *testing.T
	urls map[string]string
	log  *journal
	mux  *api.Mux
	said map[string]map[string]any // OpenAPI's paths: the answers of each method
}

// in is the gateway in a subtest.
func (f front) in(t *testing.T) front {
	f.t = t
	return f
}

func open(t *testing.T, c client.Client, store jobs.Store) front {
	t.Helper()
	log := &journal{}
	logger := slog.New(slog.NewJSONHandler(log, nil))
	work := &jobs.API{
		Temporal: c, Server: submit.Server{Namespace: "default", UI: "http://ui"}, Active: "local_preview", Log: logger, Files: kept{}, MostFile: 1 << 20,
		Store: func(context.Context) (jobs.Store, error) { return store, nil },
	}
	section := frontdoor.Section{Listeners: map[string]frontdoor.Listener{
		"default": {Address: "127.0.0.1:0", Tenant: "default"}, "other": {Address: "localhost:0", Tenant: "other"},
	}}
	d := door.New(door.Options{Config: section.Complete(), Routes: work.Routes(), Log: logger})
	require.NoError(t, d.Listen(t.Context(), func(err error) { t.Error(err) }))
	t.Cleanup(d.Close)
	f := front{t: t, urls: map[string]string{}, log: log, mux: api.NewMux(work.Routes()), said: map[string]map[string]any{}}
	document, err := api.OpenAPI("test", "1", work.Routes(), false)
	require.NoError(t, err)
	for _, methods := range document["paths"].(map[string]map[string]any) {
		for _, operation := range methods {
			said := operation.(map[string]any)
			f.said[said["operationId"].(string)] = said["responses"].(map[string]any)
		}
	}
	for name, address := range d.Addresses() {
		f.urls[name] = "http://" + address
	}
	return f
}

// ask makes a request as a tenant. Headers are name and value in turn.
func (f front) ask(tenant, method, path, body string, headers ...string) (int, http.Header, string) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.urls[tenant]+path, strings.NewReader(body))
	require.NoError(f.t, err)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	status, header, text, err := whole(r)
	require.NoError(f.t, err)
	if route, err := f.mux.Find(httptest.NewRecorder(), r); err == nil {
		require.Contains(f.t, f.said[route.Name], strconv.Itoa(status), "an answer of %s that its document does not have: %s", route.Name, text)
	}
	return status, header, text
}

// whole makes a request and reads its answer.
func whole(r *http.Request) (int, http.Header, string, error) {
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	return got.StatusCode, got.Header, string(data), err
}

// until asks as the tenant default until an answer is accepted, and returns it.
func until[T any](f front, path string, accept func(T) bool) (out T) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		r, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.urls["default"]+path, nil)
		if err != nil {
			return false
		}
		var said T
		if _, _, text, err := whole(r); err != nil || json.Unmarshal([]byte(text), &said) != nil || !accept(said) {
			return false
		}
		out = said
		return true
	}, time.Minute, 10*time.Millisecond, "%s", path)
	return out
}

// counted reports whether a job is told with its progress. While it runs, the gateway asks its worker,
// and tells the state without it if there is no answer in time.
func counted(j jobs.Job) bool {
	_, ok := j.Progress.(map[string]any)
	return ok
}

func (f front) start(tenant, kind, body string, headers ...string) jobs.Started {
	f.t.Helper()
	status, header, text := f.ask(tenant, http.MethodPost, "/jobs/"+kind, body, headers...)
	require.Equal(f.t, http.StatusAccepted, status, text)
	started := clitest.Decode[jobs.Started](f.t, text)
	require.Equal(f.t, "/jobs/"+url.PathEscape(started.ID), header.Get("Location"))
	return started
}

func (f front) code(text string) string {
	f.t.Helper()
	var e struct{ Error struct{ Code string } }
	require.NoError(f.t, json.Unmarshal([]byte(text), &e), text)
	return e.Error.Code
}

func TestJobs(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, nil)
	b.Serve()
	f := open(t, b.Client, b.Store())

	t.Run("ingestion", func(t *testing.T) {
		t.Parallel()
		ingestion(t, f.in(t))
	})
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		folder(t, f.in(t))
	})
	t.Run("other tenants", func(t *testing.T) {
		t.Parallel()
		foreign(t, f.in(t), b.Client)
	})
	t.Run("start, status and result", func(t *testing.T) {
		t.Parallel()
		f := f.in(t)
		started := f.start("default", "ingest", `{"source":"/srv/done"}`)
		require.Equal(t, "IngestLibrary", started.Type)
		require.Regexp(t, `^ingest-default-local_preview-[0-9a-f]{12}$`, started.ID)
		status, _, text := f.ask("default", http.MethodGet, "/jobs/"+started.ID+"/result?wait=60s", "")
		require.Equal(t, http.StatusOK, status, text)
		require.Contains(t, text, `"indexed":3`)
		_, _, text = f.ask("default", http.MethodGet, "/jobs/"+started.ID, "")
		job := clitest.Decode[jobs.Job](t, text)
		require.Equal(t, jobs.StateCompleted, job.State)
		require.Equal(t, "done", job.Name)
		require.NotNil(t, job.Closed)
		dry := f.start("default", "ingest", `{"source":"/srv/done","dry_run":true,"tenant":"default"}`)
		require.Equal(t, "dry-run/"+started.ID, dry.ID)
		status, _, text = f.ask("default", http.MethodGet, api.JobPath(dry.ID)+"/result?wait=60s", "")
		require.Equal(t, http.StatusOK, status, text)
	})
	t.Run("attach and steer", func(t *testing.T) {
		t.Parallel()
		f := f.in(t)
		first := f.start("default", "ingest", `{"source":"/srv/wait"}`)
		again := f.start("default", "ingest-library", `{"source": "/srv/wait", "tenant": "default"}`)
		require.Equal(t, first.RunID, again.RunID)
		require.True(t, again.Attached)
		path := "/jobs/" + first.ID
		status, _, text := f.ask("default", http.MethodGet, path+"/result", "")
		require.Equal(t, http.StatusConflict, status)
		require.Equal(t, jobs.CodeUnfinished, f.code(text))
		before := until(f, path, counted)
		require.Equal(t, "ingest", before.Progress.(map[string]any)["stage"])
		status, _, text = f.ask("default", http.MethodPost, path+"/tune", `{"concurrency":7}`)
		require.Equal(t, http.StatusAccepted, status, text)
		for body, want := range map[string]int{
			`{}`: 400, `{"concurrency":1,"concurrency":2}`: 400, `{"Concurrency":1}`: 400, `{"budget_usd":-1}`: 400, `{"approve":true}`: 409,
			`{"concurrency":"7"}`: 400, strings.Repeat(" ", 5000): 413,
		} {
			status, _, text = f.ask("default", http.MethodPost, path+"/tune", body)
			require.Equal(t, want, status, "%s: %s", body, text)
		}
		status, _, _ = f.ask("default", http.MethodPost, path+"/stop", "")
		require.Equal(t, http.StatusConflict, status, "an ingest does not take stop")
		for _, action := range []string{"pause", "cancel", "resume", "stop", "tune", "report", "events", "result"} {
			method := http.MethodPost
			if action == "report" || action == "events" || action == "result" {
				method = http.MethodGet
			}
			status, _, text = f.ask("other", method, path+"/"+action, "{}")
			require.Equal(t, http.StatusNotFound, status, action)
			_, _, absent := f.ask("other", method, "/jobs/absent/"+action, "{}")
			require.Equal(t, absent, text, action)
		}
		require.Contains(t, f.log.String(), "refused: the job is of another tenant")
		status, _, text = f.ask("default", http.MethodPost, path+"/pause", "")
		require.Equal(t, http.StatusAccepted, status, text)
		after := watch(t, f, path, before.Event, func(e jobs.Event) bool {
			progress, _ := e.Job.Progress.(map[string]any)
			return progress["paused"] == true && progress["concurrency"] == 7.0
		})
		status, _, text = f.ask("default", http.MethodPost, path+"/cancel", "")
		require.Equal(t, http.StatusAccepted, status, text)
		end := watch(t, f, path, after.ID, func(e jobs.Event) bool { return e.Event == "end" })
		require.Equal(t, jobs.StateCancelled, end.Job.State)
		require.Equal(t, "cancelled", end.Job.Error.Class)
		status, _, text = f.ask("default", http.MethodGet, path+"/result", "")
		require.Equal(t, http.StatusConflict, status)
		require.Equal(t, jobs.CodeNoResult, f.code(text))
		status, _, _ = f.ask("default", http.MethodPost, path+"/pause", "")
		require.Equal(t, http.StatusConflict, status)
		require.Contains(t, stream(t, f, path), "event: end\ndata: {")
	})
	t.Run("keys", func(t *testing.T) {
		t.Parallel()
		f := f.in(t)
		first := f.start("default", "search", `{"query":"a boat"}`, "Idempotency-Key", "k1")
		_, _, _ = f.ask("default", http.MethodGet, "/jobs/"+first.ID+"/result?wait=60s", "")
		again := f.start("default", "search", `{ "query": "a boat" }`, "Idempotency-Key", "k1")
		require.Equal(t, first.RunID, again.RunID, "also after its end")
		another := open(t, b.Client, b.Store()) // as after a restart
		require.Equal(t, first.RunID, another.start("default", "search", `{"query":"a boat"}`, "Idempotency-Key", "k1").RunID)
		status, _, text := another.ask("default", http.MethodGet, "/jobs/"+first.ID, "")
		require.Equal(t, http.StatusOK, status, text)
		foreign := f.start("other", "search", `{"query":"a boat"}`, "Idempotency-Key", "k1")
		require.NotEqual(t, first.ID, foreign.ID)
		for _, r := range [][2]string{{"search", `{"query":"a car"}`}, {"videos-list", `{}`}} {
			status, _, text := f.ask("default", http.MethodPost, "/jobs/"+r[0], r[1], "Idempotency-Key", "k1")
			require.Equal(t, http.StatusUnprocessableEntity, status)
			require.Equal(t, jobs.CodeOtherBody, f.code(text))
		}
		status, _, _ = f.ask("default", http.MethodPost, "/jobs/search", `{"query":"q"}`, "Idempotency-Key", strings.Repeat("k", 256))
		require.Equal(t, http.StatusBadRequest, status)
	})
	t.Run("failure", func(t *testing.T) {
		t.Parallel()
		f := f.in(t)
		started := f.start("default", "ingest", `{"source":"/srv/fail"}`)
		status, _, text := f.ask("default", http.MethodGet, "/jobs/"+started.ID+"/result?wait=60s", "")
		require.Equal(t, http.StatusConflict, status)
		require.Contains(t, text, "no such directory")
		_, _, text = f.ask("default", http.MethodGet, "/jobs/"+started.ID, "")
		job := clitest.Decode[jobs.Job](t, text)
		require.Equal(t, jobs.StateFailed, job.State)
		require.Equal(t, "input", job.Error.Class)
		require.NotEmpty(t, job.Error.Advice)
	})
	t.Run("report", func(t *testing.T) {
		t.Parallel()
		f := f.in(t)
		_, err := b.Store().Put(t.Context(), "default/reports/x/y.html", strings.NewReader("<p>fine"))
		require.NoError(t, err)
		for tenant, want := range map[string]int{"default": http.StatusOK, "other": http.StatusNotFound} {
			// The fake names a report of the tenant default, whoever starts it.
			started := f.start(tenant, "ingest", `{"source":"/srv/report"}`)
			_, _, _ = f.ask(tenant, http.MethodGet, "/jobs/"+started.ID+"/result?wait=60s", "")
			status, header, text := f.ask(tenant, http.MethodGet, "/jobs/"+started.ID+"/report", "")
			require.Equal(t, want, status, text)
			if want == http.StatusOK {
				require.Equal(t, "<p>fine", text)
				require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
			}
		}
	})
	t.Run("same id of two tenants", func(t *testing.T) {
		t.Parallel()
		f := f.in(t)
		// As the profile of a tenant with a hyphen would make it.
		_, err := b.Client.ExecuteWorkflow(t.Context(), (submit.Job{ID: "delete-other-p-aaaaaaaaaaaa"}).Options(), "IngestLibrary", map[string]any{"source": "/srv/wait"})
		require.NoError(t, err)
		started := f.start("other", "delete-video", `{"video":"`+strings.Repeat("a", 64)+`","profile":"p"}`)
		require.NotEqual(t, "delete-other-p-aaaaaaaaaaaa", started.ID)
		require.False(t, started.Attached)
		again := f.start("other", "delete-video", `{"video":"`+strings.Repeat("a", 64)+`","profile":"p"}`)
		require.Equal(t, started.ID, again.ID)
	})
}

// watch follows a job by long polls until an event is accepted.
func watch(t *testing.T, f front, path string, after int64, accept func(jobs.Event) bool) jobs.Event {
	t.Helper()
	for t.Context().Err() == nil {
		status, _, text := f.ask("default", http.MethodGet, path+"/events?wait=10s&after="+jsonNumber(after), "")
		require.Equal(t, http.StatusOK, status, text)
		page := clitest.Decode[jobs.Events](t, text)
		known := true
		for _, e := range page.Events {
			if accept(e) {
				return e
			}
			known = e.Event == "end" || counted(e.Job)
		}
		if known { // else the same state is asked for again: no other one may follow
			after = page.Next
		}
	}
	return jobs.Event{}
}

func jsonNumber(n int64) string {
	data, _ := json.Marshal(n)
	return string(data)
}

func stream(t *testing.T, f front, path string) string {
	t.Helper()
	status, header, text := f.ask("default", http.MethodGet, path+"/events", "", "Accept", "text/event-stream", "Last-Event-ID", "1")
	require.Equal(t, http.StatusOK, status, text)
	require.Equal(t, "text/event-stream", header.Get("Content-Type"))
	return text
}
