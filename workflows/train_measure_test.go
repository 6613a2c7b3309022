package workflows_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/train/measure"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/trainer/trainertest"
	"github.com/cogniverse/cogflow/training"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// counter is the trainer of the worker that plans.
type counter struct {
	data     training.DataStats
	findings []training.Finding
	err      error
	jobs     []training.Job
}

func (c *counter) Check(context.Context) (map[string]string, error) { return nil, nil } //nolint:nilnil // no versions

func (c *counter) Run(_ context.Context, job training.Job, _ string, _ io.Writer, _ <-chan struct{}, on func(training.Event) error) error {
	c.jobs = append(c.jobs, job)
	if c.err != nil {
		return c.err
	}
	if err := on(training.Event{Event: training.EventFindings, Findings: c.findings}); err != nil {
		return err
	}
	return on(training.Event{Event: training.EventData, Data: &c.data})
}

// measured makes a world whose planning worker counts tokens.
func measured(t *testing.T, c *counter) *trainWorld {
	t.Helper()
	g := newTrainWorld(t)
	g.train.Tokens = measure.New(g.train.Store, trainertest.OneModel{}, c, g.dir)
	return g
}

// TestTrainMeasures: the plan and the advice are those of the tokenizer's counts, made before
// a GPU is taken.
func TestTrainMeasures(t *testing.T) {
	t.Parallel()
	c := &counter{data: training.DataStats{Rows: 108, Tokens: 30_000, P50: 282, P90: 290, P99: 295, Max: 300, EvalRows: 12, EvalTokens: 3_000}}
	g := measured(t, c)
	in := answers("a")
	in.DryRun = true
	tool := map[string]any{"name": "f", "description": strings.Repeat("long ", 1000)} // longer than other texts of an input
	kwargs := map[string]any{"enable_thinking": false, "tools": []any{tool}}
	in.SFT = &training.Settings{MaxSeqLength: new(1024), ChatTemplate: kwargs}
	out, err := g.run(in)
	require.NoError(t, err)
	require.EqualValues(t, 90_000, out.Plan.Estimate.Tokens)
	require.Equal(t, &c.data, out.Check.Measured)
	require.Contains(t, out.Check.Suggestions[0], "--set max_seq_length=384 would be enough")
	require.Empty(t, g.trainer.attempts())
	require.Len(t, c.jobs, 1)
	require.Equal(t, kwargs, c.jobs[0].Config.ChatTemplate)
	require.Equal(t, c.jobs[0].Config, out.Plan.Spec.Config)
}

// settingsIn are the settings of an SFT input.
func settingsIn(in *trainflow.Input) *training.Settings {
	in.SFT = &training.Settings{}
	return in.SFT
}

// TestTrainUnmeasured: without counts the estimates remain, and the result says why.
func TestTrainUnmeasured(t *testing.T) {
	t.Parallel()
	g := measured(t, &counter{err: fault.New(fault.Transport, "train", "measure", "killed by SIGKILL from outside")})
	in := answers("a")
	in.DryRun = true
	out, err := g.run(in)
	require.NoError(t, err)
	require.Nil(t, out.Check.Measured)
	require.Contains(t, out.Check.Unmeasured, "killed by SIGKILL")
	require.Positive(t, out.Plan.Estimate.Tokens)
}

// TestTrainRefusedByTemplate: what the trainer would refuse ends the run before a GPU is taken.
func TestTrainRefusedByTemplate(t *testing.T) {
	t.Parallel()
	g := measured(t, &counter{err: fault.New(fault.Input, "train", "measure", "the chat template refuses a conversation")})
	_, err := g.run(answers("a"))
	require.ErrorContains(t, err, "the chat template refuses a conversation")
	require.Empty(t, g.trainer.attempts())
}

// TestTrainRefusesRows: rows that the tokenizer shows to be wrong end the run before a GPU is
// taken, unless allow_dropped permits them. The error names the rows of the dataset.
func TestTrainRefusesRows(t *testing.T) {
	t.Parallel()
	found := training.Finding{
		File: training.FindingTrain, Severity: training.FindingError, Code: training.FindingNothing, Reason: "no part of an answer is left",
		Fix: "shorten it", Count: 1, Rows: []int{1},
	}
	warned := training.Finding{File: training.FindingTrain, Severity: training.FindingWarning, Code: "special_token", Reason: "the text has <s>", Count: 1, Rows: []int{2}}
	c := &counter{
		data:     training.DataStats{Rows: 108, Tokens: 30_000, P50: 282, P90: 290, P99: 295, Max: 300, EvalRows: 12, EvalTokens: 3_000},
		findings: []training.Finding{found, warned},
	}
	g := measured(t, c)
	_, err := g.run(answers("a"))
	require.ErrorContains(t, err, "row 1: no part of an answer is left; shorten it")
	require.Empty(t, g.trainer.attempts())
	in := answers("b")
	in.DryRun = true
	require.NoError(t, json.Unmarshal([]byte(`{"allow_dropped": 1}`), settingsIn(&in)))
	out, err := measured(t, c).run(in)
	require.NoError(t, err)
	require.Contains(t, out.Check.Problems[0].String(), "row 1: no part of an answer is left")
	require.Contains(t, out.Check.Problems[1].String(), "row 2: the text has <s>")
	require.Empty(t, out.Check.TrainLines, "a result names only the rows of its problems")
}
