package workflows_test

import (
	"compress/gzip"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/internal/traces"
	"github.com/cogniverse/cogflow/internal/traces/tracestest"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// TestReplay runs today's workflows on recorded histories. A failure means that
// jobs which are running while workers are upgraded would get stuck: keep the
// old behaviour behind workflow.GetVersion and add new histories beside the old ones.
// Replacing old histories only hides the failure.
//
// `COGFLOW_RECORD=1 go test -run TestRecord ./workers` records.
func TestReplay(t *testing.T) {
	t.Parallel()
	replayAll(t)
}

// TestReplayTraced replays them in a worker that exports traces, and which did not begin them.
func TestReplayTraced(t *testing.T) {
	t.Parallel()
	c := tracestest.Start(t)
	tr, err := traces.Start(func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}[name]
	}, traces.Options{})
	require.NoError(t, err)
	var all []interceptor.WorkerInterceptor
	for _, one := range tr.Interceptors() {
		if w, ok := one.(interceptor.WorkerInterceptor); ok {
			all = append(all, w)
		}
	}
	require.Len(t, all, 2)
	t.Cleanup(func() { // after all histories
		tr.Close(10 * time.Second)
		for _, s := range c.Spans() {
			require.NotContains(t, s.Name, "RunWorkflow", "replay exports nothing again")
		}
		t.Log(len(c.Spans()), "spans")
	})
	replayAll(t, all...)
}

func replayAll(t *testing.T, interceptors ...interceptor.WorkerInterceptor) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json.gz")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json.gz"), func(t *testing.T) {
			t.Parallel()
			// The detector reads the wall clock, as flowtest says.
			replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
				Interceptors: interceptors, DisableDeadlockDetection: true,
			})
			require.NoError(t, err)
			for _, w := range catalog.Types() {
				replayer.RegisterWorkflowWithOptions(w.Func, workflow.RegisterOptions{Name: w.Name})
			}
			logger := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
			h := recorded(t, file)
			began := h.Events[0].GetWorkflowExecutionStartedEventAttributes()
			require.NoError(t, replayer.ReplayWorkflowHistoryWithOptions(logger, h, worker.ReplayWorkflowHistoryOptions{
				// The ids of children come from that of their library.
				OriginalExecution: workflow.Execution{ID: began.WorkflowId, RunID: began.OriginalExecutionRunId},
			}))
		})
	}
}

func recorded(t *testing.T, file string) *history.History {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	text, err := gzip.NewReader(f)
	require.NoError(t, err)
	h, err := client.HistoryFromJSON(text, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return h
}
