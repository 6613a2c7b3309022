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
