package jobs_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/gateway/jobs"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// TestNoServer shows that requests for jobs say what is missing, soon.
func TestNoServer(t *testing.T) {
	t.Parallel()
	c, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1"})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	f := open(t, c, nil)
	for _, r := range [][2]string{{http.MethodGet, "/jobs"}, {http.MethodGet, "/jobs/x"}, {http.MethodPost, "/jobs/videos-list"}} {
		status, header, text := f.ask("default", r[0], r[1], "{}")
		require.Equal(t, http.StatusServiceUnavailable, status, text)
		require.Equal(t, "5", header.Get("Retry-After"))
		require.Equal(t, jobs.CodeNoServer, f.code(text))
	}
	// What is wrong with a request is said without a server.
	for path, bodies := range map[string]map[string]string{
		"ingest": {
			``: "must be a JSON object", `[]`: "must be a JSON object", `null`: "must be a JSON object", `{`: "read input", `{}`: "source",
			`{"source":"s","SOURCE":"t"}`: "SOURCE", `{"source":"s","source":"t"}`: "source", `{"source":"s","more":1}`: "more",
			`{"source":"s","tenant":"other"}`: "tenant", `{"source":"s","Tenant":"default"}`: "Tenant", `{"source":"s","tenant":"a/b"}`: "tenant",
			`{"source":"s","resume":{}}`: "resume", `{"source":"s","priority":9}`: "priority", `{"source":"s","budget_usd":-1}`: "budget_usd",
			`{"source":"` + strings.Repeat("s", 9000) + `"}`: "source", `{"source":"s","concurrency":1000}`: "concurrency",
		},
		"IngestVideo": {`{"uri":"u","library":{}}`: "library"},
		"train_sft":   {`{"base_model":"m"}`: "dataset", `{"base_model":"m","dataset":{"uri":"u"},"gpu":["none"]}`: "gpu", `{"base_model":"m","dataset":{"uri":"u"},"dpo_config":{}}`: "dpo_config"},
		"train-sweep": {`{"method":"sft","grid":{"seed":[1]},"train":{"tenant":"default","base_model":"m","name":"../x"}}`: "name"},
		"optimize":    {`{"trainset":[{}]}`: "program"},
		"search":      {`{"query":"q","limit":5000}`: "limit"},
	} {
		for body, want := range bodies {
			status, _, text := f.ask("default", http.MethodPost, "/jobs/"+path, body)
			require.Equal(t, http.StatusBadRequest, status, "%s %s: %s", path, body, text)
			require.Contains(t, text, want, "%s %.60s", path, body)
		}
	}
	for path, want := range map[string]int{"/jobs/nothing": 404, "/jobs/train": 404, "/jobs/" + strings.Repeat("x", 3000): 404} {
		status, _, text := f.ask("default", http.MethodPost, path, "{}")
		require.Equal(t, want, status)
		require.Equal(t, jobs.CodeUnknownType, f.code(text))
	}
	status, _, _ := f.ask("default", http.MethodPost, "/jobs/search", `{"query":"q"}`, "Content-Type", "text/plain")
	require.Equal(t, http.StatusUnsupportedMediaType, status)
	status, _, _ = f.ask("default", http.MethodPost, "/jobs/search", strings.Repeat(" ", 3<<20))
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	for _, query := range []string{
		"type=x'%20OR%20'1'='1", "state=Running'", "limit=0", "limit=501", "limit=x", "cursor=%27", "cursor=AAAA", "cursor=AAAAAAAA", "cursor=eyJhIjoxfQ", "cursor=" + strings.Repeat("A", 8000), "state=running%00", "stat=running", "state=running&state=failed",
	} {
		status, _, text := f.ask("default", http.MethodGet, "/jobs?"+query, "")
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", query, text)
	}
	for _, id := range []string{strings.Repeat("x", workflows.MaxWorkflowID+1), "%00", "a%0Ab", "%FF", "caf%C3%A9", "%C2%9E"} {
		status, _, text := f.ask("default", http.MethodGet, "/jobs/"+id, "")
		require.Equal(t, http.StatusNotFound, status)
		require.Equal(t, jobs.CodeNoJob, f.code(text))
	}
}

// foreign shows that no name of a job reaches one of another tenant, or what is no job.
func foreign(t *testing.T, f front, c client.Client) {
	t.Helper()
	mine := f.start("default", "ingest", `{"source":"/srv/mine/wait"}`)
	_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "raw", TaskQueue: "none"}, "SomethingElse")
	require.NoError(t, err)
	_, _, absent := f.ask("other", http.MethodGet, "/jobs/absent", "")
	for _, id := range []string{
		mine.ID, "raw", mine.ID + "%2F..%2F" + mine.ID, "..%2F" + mine.ID, "*", "'%20OR%20''='", "%24%7B%7D", mine.ID + "%20", strings.ToUpper(mine.ID),
	} {
		status, _, text := f.ask("other", http.MethodGet, "/jobs/"+id, "")
		require.Equal(t, http.StatusNotFound, status, id)
		require.Equal(t, absent, text, id)
	}
	require.Eventually(t, func() bool { // visibility is eventual
		_, _, text := f.ask("default", http.MethodGet, "/jobs?state=running&type=ingest&limit=500", "")
		return strings.Contains(text, mine.ID)
	}, time.Minute, 50*time.Millisecond)
	_, _, text := f.ask("other", http.MethodGet, "/jobs?type=ingest&state=running", "")
	require.NotContains(t, text, mine.ID)
}

// TestNames shows that each workflow type has names of its own.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, one := range catalog.Types() {
		for _, name := range submit.Names(one) {
			found, ok := submit.TypeNamed(name)
			require.True(t, ok, name)
			require.Equal(t, one.Name, found.Name, name)
		}
	}
	for name, want := range map[string]string{
		"ingest": "IngestLibrary", "ingest_video": "IngestVideo", "delete-video": "DeleteVideo", "videos-delete": "DeleteVideo", "train-sft": "TrainSFT",
		"train-dpo": "TrainDPO", "train-embedding": "TrainEmbedding", "optimize": "OptimizePrompts", "search": "SearchVideos", "TrainKTO": "TrainKTO",
	} {
		found, _ := submit.TypeNamed(name)
		require.Equal(t, want, found.Name, name)
	}
}
