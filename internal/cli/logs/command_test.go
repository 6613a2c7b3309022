package logs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

const id = "train-acme-support"

// serve runs fakes of a training workflow and of a sweep with one run.
func serve(t *testing.T, b *clitest.Bench) {
	t.Helper()
	w := worker.New(b.Client, workflows.QueueMain, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, job string) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		return workflow.ExecuteActivity(ctx, "RunTraining", map[string]string{"tenant": "acme", "job": job}).Get(ctx, nil)
	}, workflow.RegisterOptions{Name: "TrainSFT"})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: "sweep/0"})
		return workflow.ExecuteChildWorkflow(ctx, "TrainSFT", "swept").Get(ctx, nil)
	}, workflow.RegisterOptions{Name: "TrainSweep"})
	w.RegisterActivityWithOptions(func() error { return nil }, activity.RegisterOptions{Name: "RunTraining"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

func start(t *testing.T, b *clitest.Bench, id, kind string, args ...any) (runID string) {
	t.Helper()
	run, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain}, kind, args...)
	require.NoError(t, err)
	require.NoError(t, run.Get(t.Context(), nil))
	return run.GetRunID()
}

func TestLogs(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	serve(t, b)
	run := start(t, b, id, "TrainSFT", "job1")
	start(t, b, "sweep", "TrainSweep")
	later := time.Now().Add(time.Minute).UTC() // after the start of the run
	_, err := b.Store().Put(t.Context(), training.LogKey("acme", "job1", later, "a"), strings.NewReader(
		later.Format(training.LogTime)+" loaded \x1b[31mall\n"+later.Add(4*time.Second).Format(training.LogTime)+" step 2\n"))
	require.NoError(t, err)
	_, err = b.Store().Put(t.Context(), training.LogKey("acme", "swept", later, "a"), strings.NewReader(later.Format(training.LogTime)+" of the sweep\n"))
	require.NoError(t, err)

	dir := filepath.Join(b.Dir, "logs")
	require.NoError(t, os.Mkdir(dir, 0o700))
	worker := filepath.Join(dir, "worker1.log")
	written := func(after time.Duration, level, about, rest string) string {
		return fmt.Sprintf(`{"level":%q,"ts":%q,"msg":"Activity error.","Namespace":"default","WorkflowID":%q%s}`+"\n",
			level, later.Add(after).Format("2006-01-02T15:04:05.000Z0700"), about, rest)
	}
	require.NoError(t, os.WriteFile(worker, []byte("not JSON\n"+
		written(2*time.Second, "error", id, `,"RunID":"`+run+`","Attempt":2,"Error":"the disk\nis full","stacktrace":"a.go:1"`)+
		written(time.Second, "info", id+"/video-1", "")+
		written(time.Second, "error", id+"-2", "")+ // another job
		written(3*time.Second, "warn", id, `,"RunID":"before"`)), 0o600))
	config := filepath.Join(b.Dir, "config.json")
	require.NoError(t, os.WriteFile(config, []byte(`{"cogflow": {"logs": "`+dir+`"}}`), 0o600))
	logs := func(args ...string) []string {
		t.Helper()
		code, out, errors := b.Run(append([]string{"logs", "--config", config}, args...)...)
		require.Equal(t, cli.ExitDone, code, errors)
		var lines []string
		for line := range strings.Lines(out) {
			_, text, _ := strings.Cut(strings.TrimSpace(line), "Z  ")
			lines = append(lines, text)
		}
		return lines
	}
	full := `error    Activity error.  Attempt=2  Error=the disk is full`
	require.Equal(t, []string{
		"trainer  loaded all", "info     Activity error.  WorkflowID=" + id + "/video-1", full, "warn     Activity error.", "trainer  step 2",
	}, logs(id))
	require.Equal(t, []string{full, "warn     Activity error."}, logs(id, "--level", "warn"))
	require.Equal(t, []string{"trainer  loaded all", full, "trainer  step 2"}, logs(id, "--run", run))
	require.Equal(t, []string{"trainer  step 2"}, logs(id, "--tail", "1"))
	require.Contains(t, logs(id, "--wide"), full+"  stacktrace=a.go:1")
	require.Equal(t, []string{"trainer  of the sweep  WorkflowID=sweep/0"}, logs("sweep"))
	require.Len(t, logs(id, "--follow"), 5, "the job has ended")

	_, out, _ := b.Run("logs", id, "--config", config, "--json", "--tail", "3")
	r := clitest.Decode[struct {
		LeftOut int `json:"left_out"`
		Lines   []struct{ Source, Message string }
	}](t, out)
	assert.Equal(t, 2, r.LeftOut)
	assert.Len(t, r.Lines, 3)

	_, out, errors := b.Run("logs", id)
	assert.NotContains(t, out, "Activity error")
	assert.Contains(t, errors, "docker compose logs --no-color --no-log-prefix | cogflow logs "+id+" --worker-log -")
	_, out, errors = b.Run("logs", id, "--worker-log", worker)
	assert.Contains(t, out, "the disk is full")
	assert.Empty(t, errors)
}
