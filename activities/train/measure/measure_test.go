package measure_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/measure"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
)

type models struct{}

func (models) Find(_ context.Context, name string) (training.Model, error) {
	return training.Model{Name: name, Revision: "r", Path: "/models/m"}, nil
}

// counting is a trainer that counts rows.
type counting struct {
	missing, fails error
	silent         bool
	findings       []training.Finding
	job            training.Job
	runs           int
}

func (c *counting) Check(context.Context) (map[string]string, error) { return nil, c.missing }

func (c *counting) Run(_ context.Context, job training.Job, devices string, _ io.Writer, _ <-chan struct{}, on func(training.Event) error) error {
	c.job = job
	c.runs++
	if c.findings != nil {
		if err := on(training.Event{Event: training.EventFindings, Findings: c.findings}); err != nil {
			return err
		}
	}
	if devices != "" || c.fails != nil || c.silent {
		return c.fails
	}
	train, err := os.ReadFile(job.Train.Path)
	if err != nil {
		return err
	}
	eval, err := os.ReadFile(job.Eval.Path)
	if err != nil {
		return err
	}
	return on(training.Event{Event: training.EventData, Data: &training.DataStats{Tokens: int64(len(train)), EvalTokens: int64(len(eval))}})
}

// TestCount: the trainer gets the rows, the settings and no GPU. What it refuses
// ends the run; any other failure leaves the reason.
func TestCount(t *testing.T) {
	t.Parallel()
	down := fault.New(fault.Transport, "train", "measure", "killed by SIGKILL from outside")
	for name, c := range map[string]struct {
		trainer *counting
		want    *training.DataStats
		why     string
		class   fault.Class
	}{
		"measured":     {trainer: &counting{}, want: &training.DataStats{Tokens: 5, EvalTokens: 4}},
		"no trainer":   {why: "no sandbox"},
		"no libraries": {trainer: &counting{missing: fault.New(fault.Input, "check the trainer", "python", "not installed: torch")}, why: "not installed: torch"},
		"refused":      {trainer: &counting{fails: fault.New(fault.Input, "train", "measure", "roles must alternate")}, class: fault.Input},
		"killed":       {trainer: &counting{fails: down}, why: "killed by SIGKILL"},
		"silent":       {trainer: &counting{silent: true}, why: "reported no counts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scratch := t.TempDir()
			store, err := blob.Open(t.Context(), "file://"+t.TempDir())
			require.NoError(t, err)
			in := measure.Input{
				Tenant: "default", Spec: training.Spec{
					Method: training.SFT, Model: "m", Seed: 7,
					Config: training.Config{BatchSize: 4, Accumulation: 2, MaxSeqLength: 64, ChatTemplate: map[string]any{"enable_thinking": false}},
					LoRA:   &training.LoRA{R: 8, Alpha: 16, TargetModules: []string{"all-linear"}},
				},
				Train: training.File{SHA256: strings.Repeat("1", 64), Rows: 1}, Eval: &training.File{SHA256: strings.Repeat("2", 64), Rows: 1},
			}
			for sum, text := range map[string]string{in.Train.SHA256: "train", in.Eval.SHA256: "eval"} {
				_, err := store.Put(t.Context(), training.DatasetKey("default", sum), strings.NewReader(text))
				require.NoError(t, err)
			}
			a := measure.Without("no sandbox")
			if c.trainer != nil {
				a = measure.New(store, models{}, c.trainer, scratch)
			}
			out, err := a.Count(t.Context(), in)
			if c.class != "" {
				require.Equal(t, c.class, fault.ClassOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, out.Data)
			require.Contains(t, out.Why, c.why)
			if c.want != nil {
				j := c.trainer.job
				require.True(t, j.Measure)
				require.Equal(t, in.Spec.Config, j.Config)
				require.Equal(t, in.Spec.LoRA, j.LoRA)
				require.Equal(t, "cpu", j.Device)
				require.NotEmpty(t, j.Clock)
				require.True(t, filepath.IsAbs(j.WorkDir))
			}
			left, err := os.ReadDir(scratch)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// TestCountOnce: runs that differ in what does not change tokens share the counts.
func TestCountOnce(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	c := &counting{}
	a := measure.New(store, models{}, c, t.TempDir())
	first := measure.Input{
		Tenant: "default", Spec: training.Spec{
			Method: training.SFT, Model: "m", Revision: "r", Dataset: "1", Config: training.Config{MaxSeqLength: 64, LearningRate: 1e-4},
		},
		Train: training.File{SHA256: strings.Repeat("1", 64), Rows: 1}, Eval: &training.File{SHA256: strings.Repeat("2", 64), Rows: 1},
	}
	for _, sum := range []string{first.Train.SHA256, first.Eval.SHA256} {
		_, err := store.Put(t.Context(), training.DatasetKey("default", sum), strings.NewReader("rows"))
		require.NoError(t, err)
	}
	_, err = a.Count(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, 1, c.runs)
	for name, s := range map[string]struct {
		change func(in *measure.Input)
		runs   int
	}{
		"learning rate": {func(in *measure.Input) { in.Spec.Config.LearningRate, in.Spec.Seed = 1, 9 }, 0},
		"template":      {func(in *measure.Input) { in.Spec.Config.ChatTemplate = map[string]any{"enable_thinking": false} }, 1},
		"length":        {func(in *measure.Input) { in.Spec.Config.MaxSeqLength = 32 }, 1},
		"base model":    {func(in *measure.Input) { in.Spec.Revision = "other" }, 1},
		"method":        {func(in *measure.Input) { in.Spec.Method = training.DPO }, 1},
		"packing":       {func(in *measure.Input) { in.Spec.Config.Packing = true }, 1},
		"modules":       {func(in *measure.Input) { in.Spec.LoRA = &training.LoRA{TargetModules: []string{"q_proj"}} }, 1},
		"held out":      {func(in *measure.Input) { in.Spec.Evaluation = "2" }, 1},
	} {
		before, in := c.runs, first
		s.change(&in)
		for range 2 {
			out, err := a.Count(t.Context(), in)
			require.NoError(t, err)
			require.NotNil(t, out.Data)
		}
		require.Equal(t, s.runs, c.runs-before, name)
	}
}

// TestCountFindings: findings are returned, also of rows that cannot be counted, and are shared
// with the counts.
func TestCountFindings(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	in := measure.Input{
		Tenant: "default", Spec: training.Spec{Method: training.SFT, Model: "m", Revision: "r", Dataset: "1"},
		Train: training.File{SHA256: strings.Repeat("1", 64), Rows: 1}, Eval: &training.File{SHA256: strings.Repeat("2", 64), Rows: 1},
	}
	for _, sum := range []string{in.Train.SHA256, in.Eval.SHA256} {
		_, err := store.Put(t.Context(), training.DatasetKey("default", sum), strings.NewReader("rows"))
		require.NoError(t, err)
	}
	found := []training.Finding{{File: training.FindingTrain, Severity: training.FindingError, Code: training.FindingRefused, Reason: "r", Count: 1, Rows: []int{1}}}
	c := &counting{findings: found, silent: true}
	a := measure.New(store, models{}, c, t.TempDir())
	out, err := a.Count(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, measure.Measured{Findings: found}, out)
	c.silent = false
	for range 2 {
		out, err = a.Count(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, found, out.Findings)
		require.NotNil(t, out.Data)
	}
	require.Equal(t, 2, c.runs, "the second counts are those of the first")
}

// TestCountInTime: a caller with a deadline is answered before it, and one that has ended gets
// its own error.
func TestCountInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := measure.New(emptyStore{}, models{}, stuck{}, t.TempDir())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		out, err := a.Count(ctx, measure.Input{Tenant: "default"})
		require.NoError(t, err)
		require.Equal(t, "the tokenizer did not finish in time", out.Why)
		require.Equal(t, 45*time.Second, time.Since(began))

		ended, end := context.WithCancelCause(t.Context())
		end(fault.New(fault.Preempted, "plan", "", "the worker stops"))
		_, err = a.Count(ended, measure.Input{Tenant: "default"})
		require.ErrorContains(t, err, "the worker stops")
	})
}

// emptyStore has rows, and nothing else.
type emptyStore struct{ activities.Store }

func (emptyStore) Get(_ context.Context, key string) (io.ReadCloser, object.Info, error) {
	if strings.HasSuffix(key, ".jsonl") {
		return io.NopCloser(strings.NewReader("rows")), object.Info{}, nil
	}
	return nil, object.Info{}, object.ErrNotFound
}

// stuck is a trainer that runs until it is killed.
type stuck struct{}

func (stuck) Check(context.Context) (map[string]string, error) { return nil, nil } //nolint:nilnil // no versions

func (stuck) Run(ctx context.Context, _ training.Job, _ string, _ io.Writer, _ <-chan struct{}, _ func(training.Event) error) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestCountWithoutRows: rows that are missing in the store are an input fault.
func TestCountWithoutRows(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	a := measure.New(store, models{}, &counting{}, t.TempDir())
	_, err = a.Count(t.Context(), measure.Input{Tenant: "default", Train: training.File{SHA256: strings.Repeat("1", 64)}})
	require.Equal(t, fault.Input, fault.ClassOf(err))
}
