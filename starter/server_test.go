package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// bench runs the program against a real server on which stand-ins of the
// workflows run: what is tested here is the command line alone.
type bench struct {
	t       *testing.T
	address string
	dir     string
	client  client.Client
}

func newBench(t *testing.T) *bench {
	t.Helper()
	binary, err := devserver.Find("../bin")
	require.NoError(t, err)
	dir := t.TempDir()
	server, err := devserver.Start(t.Context(), devserver.Options{Binary: binary, Dir: filepath.Join(dir, "temporal"), Headless: true})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	c, err := client.DialContext(t.Context(), client.Options{HostPort: server.Address()})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.NoError(t, devserver.Register(t.Context(), c, client.DefaultNamespace))
	return &bench{t: t, address: server.Address(), dir: dir, client: c}
}

func (b *bench) getenv(name string) string {
	return map[string]string{
		"TEMPORAL_ADDRESS": b.address,
		"COGFLOW_STORE":    "file://" + filepath.Join(b.dir, "store"),
	}[name]
}

// output is what a run printed, readable while it still prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// run runs one command to its end.
func (b *bench) run(args ...string) (code int, out, err string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	var o, e output
	code = run(ctx, Process{Args: args, Getenv: b.getenv, In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// interrupt runs one command until it prints a text on stderr, then presses Ctrl-C.
func (b *bench) interrupt(on string, args ...string) (code int, err string) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	var e output
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, Process{Args: args, Getenv: b.getenv, In: strings.NewReader(""), Out: &output{}, Err: &e})
	}()
	require.Eventually(b.t, func() bool { return strings.Contains(e.String(), on) }, time.Minute, 10*time.Millisecond)
	cancel()
	return <-ended, e.String()
}

// decode checks that out is exactly one JSON document.
func decode[T any](t *testing.T, out string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(out), &v), out)
	return v
}

// serve starts a worker with the stand-ins.
func (b *bench) serve() {
	b.t.Helper()
	w := worker.New(b.client, workflows.QueueMain, worker.Options{})
	for _, stands := range []map[string]any{trainStandIns(), optimizeStandIns()} {
		for name, stand := range stands {
			w.RegisterWorkflowWithOptions(stand, workflow.RegisterOptions{Name: name})
		}
	}
	w.RegisterActivityWithOptions(standInTraining, activity.RegisterOptions{Name: "RunTraining"})
	for name, stand := range map[string]any{
		"IngestLibrary": standInLibrary, "SearchVideos": standInSearch, "ListVideos": standInList,
		"DeleteVideo": standInDelete, "CheckHealth": standInHealth,
	} {
		w.RegisterWorkflowWithOptions(stand, workflow.RegisterOptions{Name: name})
	}
	require.NoError(b.t, w.Start())
	b.t.Cleanup(w.Stop)
}

// standInLibrary ends as the last element of its source says.
func standInLibrary(ctx workflow.Context, in map[string]any) (workflows.IngestLibraryResult, error) {
	source, _ := in["source"].(string)
	progress := workflows.LibraryProgress{
		Source: source, Stage: "ingest", Videos: 3, Concurrency: 4,
		Active: []workflows.ActiveVideo{{WorkflowID: "nobody", URI: source + "/b.mp4"}},
	}
	err := workflow.SetQueryHandler(ctx, workflows.QueryProgress, func() (workflows.LibraryProgress, error) { return progress, nil })
	if err != nil {
		return workflows.IngestLibraryResult{}, err
	}
	err = workflow.SetUpdateHandler(ctx, workflows.UpdateConcurrency, func(_ workflow.Context, n int) error {
		progress.Concurrency = n
		return nil
	})
	if err != nil {
		return workflows.IngestLibraryResult{}, err
	}
	r := workflows.IngestLibraryResult{Totals: video.Totals{Videos: 3, Indexed: 3}, Failures: []video.Failure{}, Report: "default/reports/x/y.html"}
	switch filepath.Base(source) {
	case "partial":
		r.Indexed, r.Failed = 2, 1
		r.Failures = failedVideos()[:1]
	case "fail":
		return r, temporal.NewNonRetryableApplicationError("list: no such directory", "input", nil)
	case "wait":
		signal := workflow.GetSignalChannel(ctx, workflows.SignalPause)
		signal.Receive(ctx, nil) // a cancelled context ends the wait too
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		progress.Paused = true
		return r, workflow.Await(ctx, func() bool { return false })
	}
	return r, nil
}

func standInSearch(_ workflow.Context, in workflows.SearchVideosInput) (workflows.SearchVideosResult, error) {
	if in.Query == "bad" {
		return workflows.SearchVideosResult{}, temporal.NewNonRetryableApplicationError("embed: no key", "auth", nil)
	}
	return workflows.SearchVideosResult{Hits: []video.Hit{{Name: "b.mp4", StartMS: 1000, EndMS: 2000, Score: 1, Caption: in.Query, Preview: true}}}, nil
}

const someVideo = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func standInList(workflow.Context, workflows.ListVideosInput) (workflows.ListVideosResult, error) {
	return workflows.ListVideosResult{Videos: []video.Generation{
		{Tenant: "default", Profile: "local_preview", Video: someVideo, Documents: 7, Name: "b.mp4", DurationMS: 5000},
		{Tenant: "default", Profile: "local_preview", Video: "aaaaaaaabb" + video.ID(someVideo[10:]), Documents: 7, Name: "c.mp4", DurationMS: 5000},
	}}, nil
}

func standInDelete(_ workflow.Context, in workflows.DeleteVideoInput) (workflows.DeleteVideoResult, error) {
	if in.Video != someVideo {
		return workflows.DeleteVideoResult{}, temporal.NewNonRetryableApplicationError("unexpected "+in.Video, "input", nil)
	}
	return workflows.DeleteVideoResult{Documents: 7, Objects: 3}, nil
}

func standInHealth(workflow.Context, workflows.CheckHealthInput) (workflows.CheckHealthResult, error) {
	return workflows.CheckHealthResult{Checks: []activities.HealthCheck{
		{Part: "pool media", Status: "fail", Detail: "no worker answers"},
		{Part: "ffmpeg", Status: "ok", Detail: "5.1"},
	}}, nil
}
