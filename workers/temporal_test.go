package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows/ingest"
)

// temporalCLI runs the official temporal CLI and returns its standard output.
func (s *stack) temporalCLI(args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), s.options.Binary, append(args, "--address", s.server.Address())...)
	cmd.Env = append(os.Environ(), "HOME="+s.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(s.t, err, "%v: %s", args, stderr.String())
	return string(out)
}

// inputFile writes the input of a workflow to a file and returns its path.
func inputFile(t *testing.T, in any) string {
	t.Helper()
	content, err := json.Marshal(in)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "input.json")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func decode[T any](t testing.TB, text string) (out T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	return out
}

// listed returns the workflow ids that a visibility query finds.
func (s *stack) listed(query string) (ids []string) {
	type found struct {
		Execution struct {
			WorkflowID string `json:"workflowId"`
		} `json:"execution"`
	}
	for _, f := range decode[[]found](s.t, s.temporalCLI("workflow", "list", "--query", query, "--output", "json")) {
		ids = append(ids, f.Execution.WorkflowID)
	}
	return ids
}

// TestTemporalCLI starts jobs with the temporal CLI, as the documentation shows.
func TestTemporalCLI(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tiny(t, filepath.Join(dir, "a.mp4"), 3)
	tiny(t, filepath.Join(dir, "b.mp4"), 4)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.mp4"), nil, 0o600))
	input := inputFile(t, map[string]any{"source": dir, "tenant": "acme:films"})
	s := newStack(t, nil)
	s.worker(nil)

	start := []string{"--task-queue", "cogflow", "--type", "IngestLibrary", "--input-file", input}
	s.temporalCLI(append([]string{"workflow", "start", "--workflow-id", "cli"}, start...)...)
	type outcome struct {
		Status string               `json:"status"`
		Result ingest.LibraryResult `json:"result"`
	}
	result := func(id string) outcome {
		return decode[outcome](t, s.temporalCLI("workflow", "result", "--workflow-id", id, "--output", "json"))
	}
	first := result("cli")
	require.Equal(t, "COMPLETED", first.Status)
	require.Equal(t, 2, first.Result.Indexed)
	require.Equal(t, 1, first.Result.Failed)

	const query = `CogKind = "IngestLibrary" AND CogTenant = "acme:films" AND CogProfile = "local_preview" ` +
		`AND CogStage = "done" AND CogFailed = 1 AND CogCostUSD = 0`
	require.Eventually(t, func() bool { return len(s.listed(query)) == 1 }, soon, 100*time.Millisecond)
	require.Equal(t, []string{"cli"}, s.listed(query))
	require.ElementsMatch(t, []string{"cli/000000", "cli/000001", "cli/000002"}, s.listed(`CogKind = "IngestVideo" AND CogTenant = "acme:films"`))
	described := s.temporalCLI("workflow", "describe", "--workflow-id", "cli", "--output", "json")
	require.Contains(t, described, "CogStage")
	progress := s.temporalCLI("workflow", "query", "--workflow-id", "cli", "--type", "progress", "--output", "json")
	require.Contains(t, progress, `"indexed": 2`)

	s.temporalCLI("workflow", "reset", "--workflow-id", "cli", "--type", "FirstWorkflowTask", "--reason", "once more")
	again := result("cli")
	require.Equal(t, "COMPLETED", again.Status)
	require.Equal(t, 2, again.Result.Unchanged, "no video was ingested twice")
	require.Equal(t, 1, again.Result.Failed)

	s.temporalCLI(append([]string{
		"schedule", "create", "--schedule-id", "nightly", "--cron", "0 3 29 2 *",
		"--overlap-policy", "Skip", "--workflow-id", "nightly",
	}, start...)...)
	s.temporalCLI("schedule", "trigger", "--schedule-id", "nightly")
	const scheduled = `TemporalScheduledById = "nightly" AND CogStage = "done"`
	require.Eventually(t, func() bool { return len(s.listed(scheduled)) == 1 }, soon, 200*time.Millisecond)
	require.Equal(t, 2, result(s.listed(scheduled)[0]).Result.Unchanged)
}

// TestTemporalCLIControls controls a long run with the temporal CLI.
func TestTemporalCLIControls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tiny(t, filepath.Join(dir, "long.mp4"), 3000)
	s := newStack(t, nil)
	held := s.heldCalls(t) // so that the run does not end before it is cancelled
	s.worker(nil, held.env)
	s.poll(func() bool { return s.logged(`"msg":"ready"`) })
	held.hold()
	s.temporalCLI("workflow", "start", "--task-queue", "cogflow", "--type", "IngestLibrary", "--workflow-id", "long",
		"--input-file", inputFile(t, map[string]any{"source": dir}))
	query := func(id string) string {
		return s.temporalCLI("workflow", "query", "--workflow-id", id, "--type", "progress", "--output", "json")
	}
	require.Eventually(t, func() bool { return s.waitsOn("long/000000", "DescribeChunk") }, soon, 100*time.Millisecond)
	require.Contains(t, query("long"), `"videos": 1`)
	require.Contains(t, query("long/000000"), `"expected": 3000`)
	s.temporalCLI("workflow", "update", "execute", "--workflow-id", "long", "--name", "set_concurrency", "--input", "9")
	require.Contains(t, query("long"), `"concurrency": 9`)
	s.temporalCLI("workflow", "signal", "--workflow-id", "long", "--name", "pause")
	s.poll(func() bool { return strings.Contains(query("long/000000"), `"paused": true`) })
	s.temporalCLI("workflow", "signal", "--workflow-id", "long", "--name", "resume")
	s.temporalCLI("workflow", "cancel", "--workflow-id", "long")
	for _, id := range []string{"long", "long/000000"} {
		require.Eventually(t, func() bool {
			return len(s.listed(`WorkflowId = "`+id+`" AND ExecutionStatus = "Canceled"`)) == 1
		}, soon, 200*time.Millisecond, id)
	}
	require.Empty(t, search(s, "frame").Hits, "nothing of a cancelled run is visible")
}

// waitsOn reports whether an activity of a run is pending.
func (s *stack) waitsOn(id, activity string) bool {
	d, err := s.client.DescribeWorkflow(s.t.Context(), id, "")
	if err != nil {
		return false // not started yet
	}
	for _, a := range d.RawResponse.PendingActivities {
		if a.GetActivityType().GetName() == activity {
			return true
		}
	}
	return false
}

// cogflow is commandLine for tests that ignore stderr.
func (s *stack) cogflow() func(args ...string) (code int, stdout string) {
	s.t.Helper()
	run := s.commandLine()
	return func(args ...string) (code int, stdout string) {
		s.t.Helper()
		p := run(args...)
		return p.code, p.stdout
	}
}

// explained is the code of the cause that the command line gives for the state of a job.
func (s *stack) explained(id string) string {
	s.t.Helper()
	code, text := s.cogflow()("explain", id, "--json")
	require.Zero(s.t, code, text)
	return decode[struct{ Cause string }](s.t, text).Cause
}

// TestCogflowCLI runs the command line against its own worker.
func TestCogflowCLI(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tiny(t, filepath.Join(dir, "a.mp4"), 3)
	s := newStack(t, nil)
	s.worker(nil)
	cogflow := s.cogflow()

	code, text := cogflow("ingest", dir, "--json")
	require.Zero(t, code)
	require.Equal(t, 1, decode[ingest.LibraryResult](t, text).Indexed)
	code, text = cogflow("search", "frame", "--json")
	require.Zero(t, code)
	require.Equal(t, "a.mp4", decode[ingest.SearchResult](t, text).Hits[0].Name)
	code, text = cogflow("health", "--json")
	require.Zero(t, code, text)
	require.Contains(t, text, "switched off by configuration", "the test turns tesseract off")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.mp4"), nil, 0o600))
	code, text = cogflow("ingest", dir, "--json")
	require.Equal(t, 3, code, "some items failed")
	require.Len(t, decode[ingest.LibraryResult](t, text).Failures, 1)
	code, _ = cogflow("ingest", dir, "--profile", "no_such", "--json")
	require.Equal(t, 1, code, "failed")
	code, _ = cogflow("ingest")
	require.Equal(t, 2, code, "usage")
	code, _ = cogflow("ingest", dir, "--no-such-flag")
	require.Equal(t, 2, code, "usage")
}
