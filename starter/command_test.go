package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/cogniverse/cogflow/workflows"
)

// TestCommands runs the program against one server, from an empty one on.
func TestCommands(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	step := func(name string, test func(t *testing.T, b *bench)) {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // the steps share one server and build on each other
			test(t, &bench{t: t, address: b.address, dir: b.dir, client: b.client})
		})
	}
	step("without a worker", testNoWorker)
	step("never taken, without a worker", testUntakenWithout)
	b.serve()
	step("never taken, with a worker", testUntakenWith)
	step("health of classes", testHealthClasses)
	step("search", testSearch)
	step("videos", testVideos)
	step("ingest", testIngest)
	step("steer", testSteer)
	step("redrive", testRedrive)
	step("report", testReport)
	step("overview", testOverview)
}

func testNoWorker(t *testing.T, b *bench) {
	code, text := b.interrupt("No worker serves the task queue cogflow", "search", "anything")
	assert.Equal(t, exitInterrupted, code)
	assert.Contains(t, text, "make up")

	code, out, _ := b.run("health", "--json")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, decode[checks](t, out).Checks, check{Part: "queue media", Status: "fail", Detail: "no worker serves it: `make up` starts one here"})
	assert.Contains(t, out, `"search attributes"`)
	assert.NotContains(t, out, "missing:")
}

func testSearch(t *testing.T, b *bench) {
	code, out, errors := b.run("search", "a red car", "--json")
	assert.Equal(t, exitDone, code, errors)
	assert.Equal(t, "a red car", decode[workflows.SearchVideosResult](t, out).Hits[0].Caption)

	_, out, _ = b.run("search", "a", "red", "car")
	assert.Contains(t, out, "1.0000  00:01.000–00:02.000  b.mp4  ~ a red car")

	code, out, errors = b.run("search", "bad", "--json")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "auth error: embed: no key")
	assert.Equal(t, "auth", decode[map[string]failure](t, out)["error"].Class)
}

func testVideos(t *testing.T, b *bench) {
	code, out, errors := b.run("videos", "list", "--json")
	assert.Equal(t, exitDone, code, errors)
	assert.Len(t, decode[workflows.ListVideosResult](t, out).Videos, 2)

	_, out, _ = b.run("videos", "show", someVideo)
	assert.Contains(t, out, "00:05.000")
	code, _, errors = b.run("videos", "show", "aaaaaaaa")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "is the beginning of several videos")

	code, _, _ = b.run("videos", "delete", someVideo)
	assert.Equal(t, exitUsage, code, "nobody is there to confirm")
	code, out, errors = b.run("videos", "delete", someVideo[:20], "--yes")
	assert.Equal(t, exitDone, code, errors)
	assert.Contains(t, out, "Deleted b.mp4: 7 documents, 3 objects.")
}

func testIngest(t *testing.T, b *bench) {
	code, out, errors := b.run("ingest", filepath.Join(b.dir, "ok"), "--tenant", "org:t", "--json", "--priority", "2")
	assert.Equal(t, exitDone, code, errors)
	assert.Equal(t, 3, decode[workflows.IngestLibraryResult](t, out).Indexed)
	id := ingestID("org:t", "local_preview", filepath.Join(b.dir, "ok"))
	d, err := b.client.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	assert.Equal(t, "IngestLibrary", d.WorkflowType.Name)
	described, err := b.client.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	raw := described.RawResponse
	assert.Equal(t, "ingest "+filepath.Join(b.dir, "ok"), summaryOf(raw))
	assert.EqualValues(t, 2, raw.GetWorkflowExecutionInfo().GetPriority().GetPriorityKey())
	assert.Equal(t, "org:t", raw.GetWorkflowExecutionInfo().GetPriority().GetFairnessKey())

	code, out, _ = b.run("ingest", filepath.Join(b.dir, "partial"))
	assert.Equal(t, exitPartial, code)
	assert.Contains(t, out, "empty.mp4  inspect  input  probe video: the file is empty")

	code, out, errors = b.run("ingest", filepath.Join(b.dir, "fail"), "--json")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "input error: list: no such directory")
	assert.Equal(t, "input", decode[map[string]failure](t, out)["error"].Class)
}

func testSteer(t *testing.T, b *bench) {
	source := filepath.Join(b.dir, "wait")
	code, out, errors := b.run("ingest", source, "--detach", "--json")
	require.Equal(t, exitDone, code, errors)
	first := decode[started](t, out)
	id := first.WorkflowID
	assert.Equal(t, "http://127.0.0.1:8233/namespaces/default/workflows/"+id+"/"+first.RunID, first.UI)

	code, out, errors = b.run("ingest", source, "--detach", "--json")
	require.Equal(t, exitDone, code)
	assert.Equal(t, first, decode[started](t, out))
	assert.Contains(t, errors, "is running already")

	code, errors = b.interrupt("0/3 videos", "watch", id)
	assert.Equal(t, exitInterrupted, code)
	assert.Contains(t, errors, "the job goes on")

	code, _, errors = b.run("tune", id, "--concurrency", "7")
	assert.Equal(t, exitDone, code, errors)
	code, _, errors = b.run("tune", id)
	assert.Equal(t, exitUsage, code, errors)
	code, _, errors = b.run("pause", id, "--json")
	assert.Equal(t, exitDone, code, errors)
	_, out, _ = b.run("status", id)
	assert.Contains(t, out, "ingest (paused): 0 of 3 videos (0 indexed, 0 unchanged, 0 failed), 7 at a time")

	code, _, errors = b.run("redrive", id)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "is running")
	code, _, errors = b.run("report", id)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "is not finished")

	_, out, _ = b.run("__complete", "watch", "")
	assert.Contains(t, out, id+"\tIngestLibrary running")

	code, errors = b.interrupt("0/3 videos", "watch", id, "--cancel-on-interrupt")
	assert.Equal(t, exitInterrupted, code)
	assert.Contains(t, errors, "cancelled")
	code, _, errors = b.run("watch", id)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "cancelled error: the job was cancelled")
}

func testRedrive(t *testing.T, b *bench) {
	source := filepath.Join(b.dir, "partial")
	id := ingestID("default", "local_preview", source)
	before, err := b.client.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	code, out, errors := b.run("redrive", id, "--detach", "--json")
	require.Equal(t, exitDone, code, errors)
	again := decode[started](t, out)
	assert.Equal(t, id, again.WorkflowID)
	assert.NotEqual(t, before.WorkflowExecution.RunID, again.RunID)
	begun, err := firstEvent(t.Context(), b.client, id, again.RunID)
	require.NoError(t, err)
	input, common, _, err := inputOf(begun)
	require.NoError(t, err)
	assert.JSONEq(t, `"`+source+`"`, string(input["source"]))
	assert.Equal(t, "default", common.Tenant)

	whole := ingestID("org:t", "local_preview", filepath.Join(b.dir, "ok"))
	code, _, errors = b.run("redrive", whole)
	assert.Equal(t, exitDone, code)
	assert.Contains(t, errors, "nothing to redrive")
	code, _, errors = b.run("redrive", "nobody")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "cogflow list shows what there is")
}

func testReport(t *testing.T, b *bench) {
	id := ingestID("org:t", "local_preview", filepath.Join(b.dir, "ok"))
	code, _, errors := b.run("report", id)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "object not found")

	a := &App{Process: Process{Getenv: b.getenv}}
	store, err := a.store(t.Context())
	require.NoError(t, err)
	_, err = store.Put(t.Context(), "default/reports/x/y.html", strings.NewReader("<html>"))
	require.NoError(t, err)
	code, out, errors := b.run("report", id)
	assert.Equal(t, exitDone, code, errors)
	data, err := os.ReadFile(strings.TrimSpace(out))
	require.NoError(t, err)
	assert.Equal(t, "<html>", string(data))
}

func testOverview(t *testing.T, b *bench) {
	var all executionList
	// The visibility store follows with a short delay.
	require.Eventually(t, func() bool {
		_, out, _ := b.run("list", "--json", "--kind", "ingestlibrary", "--tenant", "org:t", "--status", "completed")
		all = decode[executionList](t, out)
		return len(all.Workflows) == 1
	}, 20*time.Second, 100*time.Millisecond)
	assert.Equal(t, strings.ToLower(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED.String()), all.Workflows[0].Status)

	code, out, errors := b.run("status", "--json")
	assert.Equal(t, exitDone, code, errors)
	view := decode[overview](t, out)
	assert.Equal(t, "cogflow", view.Pools[0].Queue)
	assert.Equal(t, 1, view.Pools[0].Workers)
	for _, job := range view.Jobs {
		assert.NotEqual(t, "SearchVideos", job.Kind)
	}

	code, out, _ = b.run("health")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, out, "no worker serves it: `make up` starts one here")
	assert.Contains(t, out, "ok      ffmpeg")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"no such command": {"fly"},
		"no source":       {"ingest"},
		"no such flag":    {"status", "--fast"},
		"bad tenant":      {"ingest", "x", "--tenant", "a/b"},
		"bad priority":    {"ingest", "x", "--priority", "9"},
		"name not UTF-8":  {"ingest", "\xff"},
		"bad kind":        {"list", "--kind", "x' OR 1=1"},
		"bad status":      {"list", "--status", "odd"},
		"short video id":  {"videos", "show", "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errors output
			code := run(t.Context(), Process{Args: args, Getenv: func(string) string { return "" }, In: strings.NewReader(""), Out: &out, Err: &errors})
			assert.Equal(t, exitUsage, code)
			assert.Empty(t, out.String())
			assert.Contains(t, errors.String(), "See cogflow --help.")
		})
	}
}

func TestUnreachableServer(t *testing.T) {
	t.Parallel()
	var out, errors output
	began := time.Now()
	code := run(t.Context(), Process{Args: []string{"status"}, Getenv: func(name string) string {
		return map[string]string{"TEMPORAL_ADDRESS": "127.0.0.1:1"}[name]
	}, In: strings.NewReader(""), Out: &out, Err: &errors})
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors.String(), "no Temporal server answers at 127.0.0.1:1")
	assert.Contains(t, errors.String(), "make up")
	assert.Less(t, time.Since(began), 5*time.Second)
}

// Every command says what it does, at length and with an example.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, cmd := range rootCommand(&App{}).Commands() {
		assert.NotEmpty(t, cmd.Short, cmd.Name())
		assert.NotEmpty(t, cmd.Long, cmd.Name())
		if cmd.HasSubCommands() {
			for _, sub := range cmd.Commands() {
				assert.NotEmpty(t, sub.Example, sub.CommandPath())
			}
			continue
		}
		assert.NotEmpty(t, cmd.Example, cmd.Name())
	}
}

func TestConfigCommands(t *testing.T) {
	t.Parallel()
	run := func(env map[string]string, args ...string) (int, string) {
		var out output
		return run(t.Context(), Process{Args: args, Getenv: func(name string) string { return env[name] }, In: strings.NewReader(""), Out: &out, Err: &output{}}), out.String()
	}
	code, out := run(nil, "config", "check")
	assert.Equal(t, exitDone, code)
	assert.Contains(t, out, "No problems.")

	wrong := filepath.Join(t.TempDir(), "c.json")
	require.NoError(t, os.WriteFile(wrong, []byte(`{"cogflow":{"stor":"x"}}`), 0o600))
	code, out = run(map[string]string{"COGNIVERSE_CONFIG": wrong}, "config", "check")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, out, `cogflow.stor: unknown key, did you mean "store"?`)

	code, out = run(map[string]string{"COGFLOW_STORE": "file:///srv/x"}, "config", "show", "--json")
	assert.Equal(t, exitDone, code)
	assert.Equal(t, "file:///srv/x", decode[shown](t, out).Store)

	code, out = run(map[string]string{"COGNIVERSE_CONFIG": "../internal/config/testdata/cogniverse.json"}, "profiles")
	assert.Equal(t, exitDone, code)
	assert.Contains(t, out, "*  video_colpali_smol500_mv_frame")
	assert.Contains(t, out, `no endpoint serves its embedding model "vidore/colsmol-500m"`)
}
