package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/door"
	"github.com/cogniverse/cogflow/internal/gateway/jobs"
	"github.com/cogniverse/cogflow/internal/gateway/uploads"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestOverHTTP uploads a clip, ingests it, finds it and reads the report, all by requests to a
// gateway. The worker is real.
func TestOverHTTP(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	s.worker(nil)
	store, err := blob.Open(t.Context(), "file://"+filepath.Join(s.dir, "store"))
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	files := &uploads.API{Store: func(context.Context) (uploads.Store, error) { return store, nil }, Most: 1 << 30, Open: 4, For: 1 << 40, Log: log}
	work := &jobs.API{
		Temporal: s.client, Server: submit.Server{Namespace: "default"}, Active: "local_preview", Log: log, Files: files, MostFile: 1 << 30,
		Store: func(context.Context) (jobs.Store, error) { return store, nil },
	}
	section := frontdoor.Section{Listeners: map[string]frontdoor.Listener{"http": {Address: "127.0.0.1:0", Tenant: "http"}}}
	d := door.New(door.Options{Config: section.Complete(), Routes: append(work.Routes(), files.Routes()...), Log: log})
	require.NoError(t, d.Listen(t.Context(), func(err error) { t.Error(err) }))
	t.Cleanup(d.Close)
	ask := func(method, path, body string, want int, into any) string {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+d.Addresses()["http"]+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		got, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer got.Body.Close()
		data, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		require.Equal(t, want, got.StatusCode, "%s %s: %s", method, path, data)
		if into != nil {
			require.NoError(t, json.Unmarshal(data, into))
		}
		return string(data)
	}
	// upload returns the URI of a file.
	upload := func(name string, content []byte) string {
		sum := sha256.Sum256(content)
		var u uploads.Upload
		ask(http.MethodPost, "/uploads", fmt.Sprintf(`{"name":%q,"size":%d,"sha256":%q}`, name, len(content), hex.EncodeToString(sum[:])), http.StatusCreated, &u)
		ask(http.MethodPut, "/uploads/"+u.ID, string(content), http.StatusOK, &u)
		require.True(t, u.Complete)
		return u.URI
	}
	// run starts a job and waits for its result.
	run := func(kind, input string, result any) jobs.Started {
		var started jobs.Started
		ask(http.MethodPost, "/jobs/"+kind, input, http.StatusAccepted, &started)
		s.poll(func() bool { // the worker was just started
			var job jobs.Job
			ask(http.MethodGet, api.JobPath(started.ID), "", http.StatusOK, &job)
			return job.State != "running"
		})
		ask(http.MethodGet, api.JobPath(started.ID)+"/result?wait=60s", "", http.StatusOK, result)
		return started
	}
	path, err := clips.Tiny(t.Context(), "ffmpeg", filepath.Join(t.TempDir(), "videos"), 2)
	require.NoError(t, err)
	name := filepath.Base(path)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var video ingest.VideoResult
	job := run("ingest-video", fmt.Sprintf(`{"uri":%q}`, upload(name, content)), &video)
	require.Equal(t, name, video.Name)
	require.Equal(t, 2, video.Documents)
	require.Contains(t, ask(http.MethodGet, api.JobPath(job.ID)+"/report", "", http.StatusOK, nil), name)
	var found ingest.SearchResult
	run("search", `{"query":"gray"}`, &found)
	require.NotEmpty(t, found.Hits)
	require.Equal(t, name, found.Hits[0].Name)
	require.Contains(t, ask(http.MethodGet, api.JobPath(job.ID), "", http.StatusOK, nil), `"state":"completed"`)
}
