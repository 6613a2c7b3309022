package workflows_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// during calls do once while the trainer computes a step, and makes the trainer wait at the
// next step until it is stopped.
func (l *live) during(step int, do func()) {
	asked := false
	l.trainer.step = func(at int, stop <-chan struct{}) {
		if at == step && !asked {
			asked = true
			do()
			<-stop
		}
	}
}

// undisturbedWeights runs the same training without faults.
func undisturbedWeights(t *testing.T, in trainflow.Input) string {
	t.Helper()
	g := newTrainWorld(t)
	_, err := g.run(in)
	require.NoError(t, err)
	return g.weights("routing", 1)
}

func TestTrainPauseAndResume(t *testing.T) {
	t.Parallel()
	in := answers("a")
	want := undisturbedWeights(t, in)
	l := newLive(t, "cpu")
	l.during(7, func() { l.signal(workflows.SignalPause) })
	run := l.start("TrainSFT", in)
	l.until(func(p trainflow.Progress) bool {
		return p.Paused && p.Step == 7 && p.Checkpoint == 7 && p.Waiting != ""
	})
	l.signal(workflows.SignalResume)
	out := l.result(run)
	require.Len(t, l.trainer.attempts(), 2)
	require.Zero(t, out.Redone)
	require.Equal(t, 12, l.trainer.computed(), "a pause costs no step")
	require.Equal(t, want, l.weights("routing", 1))
}

func TestTrainStopKeepsTheBest(t *testing.T) {
	t.Parallel()
	in := answers("a")
	l := newLive(t, "cpu")
	l.during(7, func() { l.signal(workflows.SignalStop) })
	out := l.result(l.start("TrainSFT", in))
	require.Equal(t, "stopped", out.Status)
	require.True(t, out.Better, "it was evaluated")
	require.Equal(t, 7, out.Steps)

	l.trainer.step = nil
	whole := l.result(l.start("TrainSFT", in))
	require.Equal(t, "trained", whole.Status, "a stopped job can be trained on")
	require.Equal(t, 2, whole.Version)
	require.Equal(t, 12, l.trainer.computed())
	require.Equal(t, undisturbedWeights(t, in), l.weights("routing", 2))
}

func TestTrainTimeoutKeepsTheBest(t *testing.T) {
	t.Parallel()
	in := answers("a")
	in.Timeout = "30s" // longer than the seven steps take; the trainer then waits for it
	l := newLive(t, "cpu")
	l.during(7, func() {})
	out := l.result(l.start("TrainSFT", in))
	require.Equal(t, "stopped", out.Status)
	require.Equal(t, 7, out.Steps)
}

func TestTrainCancelKeepsTheBest(t *testing.T) {
	t.Parallel()
	l := newLive(t, "cpu")
	l.during(7, func() {
		if err := l.cancel(); err != nil {
			t.Error(err)
		}
	})
	err := end(t, l.start("TrainSFT", answers("a")), nil)
	var cancelled *temporal.CanceledError
	require.ErrorAs(t, err, &cancelled)
	found, err := l.adapters().ShowAdapter(t.Context(), registry.AdapterInput{Tenant: tenant.Default, Name: "routing"})
	require.NoError(t, err)
	require.Equal(t, training.EndedStopped, found.Outcome.Ended)
	require.Equal(t, 7, found.Outcome.Steps)
	require.False(t, found.Outcome.Better(), "it was not evaluated")
	require.NotContains(t, l.keys("training/"), "training/"+found.Job+"/claim.json")
}

func TestTrainFallsBackToAnOlderCheckpoint(t *testing.T) {
	t.Parallel()
	in := answers("a")
	want := undisturbedWeights(t, in)
	l := newLive(t, "cpu")
	l.trainer.saveEvery = 3
	l.during(8, func() { l.signal(workflows.SignalPause) })
	run := l.start("TrainSFT", in)
	l.until(func(p trainflow.Progress) bool { return p.Paused && p.Checkpoint == 8 })
	newest := ""
	for _, key := range l.keys("training/") {
		if strings.HasSuffix(key, "state.json") {
			newest = "default/" + key
		}
	}
	require.NoError(t, l.train.Store.Delete(t.Context(), newest))
	l.signal(workflows.SignalResume)
	out := l.result(run)
	require.Equal(t, 2, out.Redone, "the steps since the older one")
	require.Equal(t, want, l.weights("routing", 1))
}

func TestTrainTakesTheNextClass(t *testing.T) {
	t.Parallel()
	in := answers("a")
	in.GPU, in.GPUWait = []string{"t4", "h100"}, "1s"
	l := newLive(t, "h100")
	out := l.result(l.start("TrainSFT", in))
	require.Equal(t, "h100", out.GPU, "t4 has no worker")
	require.Positive(t, out.CostUSD)
}

func TestTrainBudgetIsRaised(t *testing.T) {
	t.Parallel()
	in := answers("a")
	in.GPU = []string{"h100"}
	in.BudgetUSD = 1
	l := newLive(t, "h100")
	l.during(7, func() { l.budget(0.0001) })
	run := l.start("TrainSFT", in)
	l.until(func(p trainflow.Progress) bool { return p.Waiting == string(fault.Budget) && p.Checkpoint == 7 })
	l.budget(5)
	require.Equal(t, "trained", l.result(run).Status)
	require.Equal(t, 12, l.trainer.computed())
}

func TestTrainTwoStartsAreOneJob(t *testing.T) {
	t.Parallel()
	in := answers("a")
	l := newLive(t, "cpu")
	other := in
	other.Name = "second"
	l.trainer.step = func(int, <-chan struct{}) { <-time.After(20 * time.Millisecond) } // long enough to meet
	first := l.start("TrainSFT", in)
	second := begin(t, l.client, client.StartWorkflowOptions{ID: "other", TaskQueue: workflows.QueueMain}, "TrainSFT", other)
	require.ElementsMatch(t, []string{"trained", "unchanged"}, []string{l.result(first).Status, l.result(second).Status})
	require.Equal(t, 12, l.trainer.computed())
	require.Equal(t, l.weights("routing", 1), l.weights("second", 1))
}

func TestTrainSweep(t *testing.T) {
	t.Parallel()
	l := newLive(t, "cpu")
	in := answers("a")
	train, err := json.Marshal(in)
	require.NoError(t, err)
	run := l.start("TrainSweep", trainflow.SweepInput{
		Method: training.SFT, Train: train, Concurrency: 2, Grid: map[string][]json.RawMessage{
			"sft_config.learning_rate": {json.RawMessage("1e-4"), json.RawMessage("2e-4")},
			"seed":                     {json.RawMessage("1"), json.RawMessage("2")},
		},
	})
	var out trainflow.SweepResult
	require.NoError(t, end(t, run, &out))
	require.Len(t, out.Runs, 4)
	require.Zero(t, out.Failed)
	require.GreaterOrEqual(t, out.Best, 0)
	require.JSONEq(t, "2e-4", string(out.Runs[1].Overrides["sft_config.learning_rate"]), "the last name varies fastest")
	versions := map[int]bool{}
	for _, r := range out.Runs {
		versions[r.Result.Version] = true
	}
	require.Len(t, versions, 4)
	require.Contains(t, l.keys("reports/"), strings.TrimPrefix(filepath.ToSlash(out.Report), "default/"))
}

// TestTrainSweepCost: the cost of a sweep is the cost of all its runs in the ledger, including
// failed ones, whether it ends or is cancelled.
func TestTrainSweepCost(t *testing.T) {
	t.Parallel()
	for name, cancelled := range map[string]bool{"ended": false, "cancelled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLive(t, "h100")
			l.trainer.fail = func(job training.Job, step int) error {
				switch {
				case step == 3 && job.Seed == 2:
					return fault.New(fault.Input, "train", "", "a bad row")
				case step == 3 && job.Seed == 3 && cancelled:
					return l.cancel()
				}
				return nil
			}
			in := answers("a")
			in.GPU = []string{"h100"}
			data, err := json.Marshal(in)
			require.NoError(t, err)
			run := l.start("TrainSweep", trainflow.SweepInput{
				Method: training.SFT, Train: data, Concurrency: 1, Grid: map[string][]json.RawMessage{"seed": {[]byte("1"), []byte("2"), []byte("3")}},
			})
			var out trainflow.SweepResult
			err = end(t, run, &out)
			var ledger int64
			for i := range 3 {
				d := l.describe(fmt.Sprintf("job/%03d", i))
				spent, err := l.train.Ledger.Spent(t.Context(), tenant.Default, d.WorkflowExecution.RunID, "")
				require.NoError(t, err)
				require.Positive(t, spent, "run %d was paid", i)
				ledger += spent
			}
			cost, _ := l.describe("job").TypedSearchAttributes.GetFloat64(temporal.NewSearchAttributeKeyFloat64(workflows.AttrCost))
			require.InDelta(t, float64(ledger)/1e6, cost, 1e-9)
			if cancelled {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, 1, out.Failed)
			require.Positive(t, out.Runs[1].CostUSD)
			require.InDelta(t, float64(ledger)/1e6, out.CostUSD, 1e-9)
		})
	}
}

// TestTrainReportsItsWait: the progress shows that a run waits for a GPU.
func TestTrainReportsItsWait(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.start("TrainSFT", answers("a"))
	l.until(func(p trainflow.Progress) bool { return p.Waiting == "a worker of queue train-cpu" })
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, l.describe("job").Status)
}
