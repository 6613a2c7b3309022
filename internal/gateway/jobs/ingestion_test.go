package jobs_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/jobs"
)

// kept keeps no file, and says where it would be.
type kept struct{}

func (kept) Keep(_ context.Context, _ api.Caller, name string, content io.Reader) (sha, uri string, err error) {
	data, err := io.ReadAll(content)
	return string(data), "upload://" + string(data) + "/" + name, err
}

// form writes fields, and a file at the end as httpx does.
func form(t *testing.T, file string, fields ...string) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		require.NoError(t, w.WriteField(fields[i], fields[i+1]))
	}
	if file != "" {
		part, err := w.CreateFormFile("file", "folder/"+file)
		require.NoError(t, err)
		_, err = part.Write([]byte("sum"))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

// ingestion calls the route as `cogniverse index` does.
func ingestion(t *testing.T, f front) {
	t.Helper()
	send := func(query, file string, fields ...string) (int, string) {
		body, kind := form(t, file, fields...)
		status, _, text := f.ask("default", http.MethodPost, "/ingestion/upload"+query, body, "Content-Type", kind)
		return status, text
	}
	status, text := send("?wait=true&wait_timeout=900", "a.mp4", "profile", "p", "backend", "vespa", "tenant_id", "default:default")
	require.Equal(t, http.StatusOK, status, text)
	got := clitest.Decode[jobs.Ingested](t, text)
	require.Equal(t, jobs.Ingested{
		ID: got.ID, SHA: "sum", State: "complete", Filename: "a.mp4", SourceURL: "upload://sum/a.mp4", Status: "success",
		VideoID: "upload://sum/a.mp4 p", Chunks: 7, Documents: 9,
	}, got)
	_, _, text = f.ask("default", http.MethodGet, "/ingestion/"+got.ID+"/status", "")
	require.Equal(t, "complete", clitest.Decode[jobs.IngestState](t, text).State, text)
	status, _, _ = f.ask("other", http.MethodGet, "/ingestion/"+got.ID+"/status", "")
	require.Equal(t, http.StatusNotFound, status)
	status, header, text := f.ask("default", http.MethodGet, "/ingestion/"+got.ID+"/events", "")
	require.Equal(t, http.StatusOK, status, text)
	require.Equal(t, "text/event-stream", header.Get("Content-Type"))
	require.Regexp(t, `^retry: 2000\n\nid: \d+-0\ndata: {"state":"complete","result":{"chunks":7,"documents_fed":9,"video_id":"upload://sum/a.mp4 p"}}\n\n$`, text)
	for query, want := range map[string]int{
		"?last-event-id=1-0&timeout_seconds=30": 200, "?last-event-id=x": 400, "?last-event-id=1": 400, "?last-event-id=-1-0": 400, "?timeout_seconds=29": 400, "?timeout_seconds=3601": 400,
	} {
		status, _, text = f.ask("default", http.MethodGet, "/ingestion/"+got.ID+"/events"+query, "")
		require.Equal(t, want, status, "%s: %s", query, text)
	}
	status, _, _ = f.ask("other", http.MethodGet, "/ingestion/"+got.ID+"/events", "")
	require.Equal(t, http.StatusNotFound, status)
	status, text = send("?wait=true", "bad.mp4")
	require.Equal(t, http.StatusUnprocessableEntity, status, text)
	require.Contains(t, text, `"detail":"the job ended without a result: input error: not a video`)
	status, text = send("", "c.mp4", "profile", "default")
	require.Equal(t, http.StatusOK, status, text)
	require.Equal(t, "queued", clitest.Decode[jobs.Ingested](t, text).Status)
	for _, wrong := range [][]string{{"tenant_id", "other"}, {"org_id", "other"}, {"backend", "x"}, {"path", "/etc/passwd"}} {
		status, text = send("", "a.mp4", wrong...)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", wrong, text)
	}
	for _, query := range []string{"?wait=maybe", "?wait_timeout=5", "?wait_timeout=901"} {
		status, _ = send(query, "a.mp4")
		require.Equal(t, http.StatusBadRequest, status, query)
	}
	status, _ = send("", "")
	require.Equal(t, http.StatusBadRequest, status)
	body, kind := form(t, "a.mp4")
	status, _, _ = f.ask("default", http.MethodPost, "/ingestion/upload", body[:len(body)/2], "Content-Type", kind)
	require.Equal(t, http.StatusBadRequest, status, "a form that ends in the middle")
}

// folder calls the routes as Cogniverse's dashboard does.
func folder(t *testing.T, f front) {
	t.Helper()
	start := func(body string) jobs.IngestBegun {
		status, _, text := f.ask("default", http.MethodPost, "/ingestion/start", body)
		require.Equal(t, http.StatusOK, status, text)
		return clitest.Decode[jobs.IngestBegun](t, text)
	}
	counts := func(job string) jobs.IngestCounts {
		status, _, text := f.ask("default", http.MethodGet, "/ingestion/status/"+job, "")
		require.Equal(t, http.StatusOK, status, text)
		return clitest.Decode[jobs.IngestCounts](t, text)
	}
	begun := start(`{"video_dir":"/srv/done","profile":"default","backend":"vespa","tenant_id":"default:default","org_id":"default","max_videos":null,"batch_size":4}`)
	require.Equal(t, "started", begun.Status)
	status, _, text := f.ask("default", http.MethodGet, "/jobs/"+begun.Job+"/result?wait=60s", "")
	require.Equal(t, http.StatusOK, status, text)
	got := counts(begun.Job)
	require.Equal(t, "completed", got.Status)
	require.Equal(t, 3, got.Processed)
	require.NotEmpty(t, got.Total)
	require.NotNil(t, got.Errors)

	failed := start(`{"video_dir":"/srv/fail","profile":"p"}`)
	_, _, _ = f.ask("default", http.MethodGet, "/jobs/"+failed.Job+"/result?wait=60s", "")
	got = counts(failed.Job)
	require.Equal(t, "failed", got.Status)
	require.Contains(t, got.Errors[0], "no such directory")

	works := start(`{"video_dir":"/srv/wait","profile":"p"}`)
	until(f, "/ingestion/status/"+works.Job, func(c jobs.IngestCounts) bool { return c.Status == "processing" })
	require.Contains(t, start(`{"video_dir":"/srv/wait","profile":"p"}`).Message, "already")

	status, _, _ = f.ask("other", http.MethodGet, "/ingestion/status/"+works.Job, "")
	require.Equal(t, http.StatusNotFound, status)
	for _, of := range []string{"/status", "/events"} { // those of a file
		status, _, _ = f.ask("default", http.MethodGet, "/ingestion/"+works.Job+of, "")
		require.Equal(t, http.StatusNotFound, status)
	}
	for _, body := range []string{
		`{}`, `{"video_dir":""}`, `{"video_dir":"/srv/done","batch_size":0}`, `{"video_dir":"/srv/done","batch_size":257}`, `{"video_dir":"/srv/done","max_videos":-1}`,
		`{"video_dir":"/srv/done","tenant_id":"other"}`, `{"video_dir":"/srv/done","org_id":"other"}`, `{"video_dir":"/srv/done","backend":"byaldi"}`, `{"video_dir":"/srv/done","Profile":"p"}`,
		`{"video_dir":"/srv/done","video_dir":"/srv/wait"}`,
	} {
		status, _, text = f.ask("default", http.MethodPost, "/ingestion/start", body)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", body, text)
	}
}
