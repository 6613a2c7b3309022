package optimize

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// failingCommand is a command that fails on some examples.
type failingCommand struct {
	grades
	fails func(query string) bool
}

func (f *failingCommand) Score(ctx context.Context, command string, example, outputs *prompt.Object) (metric.Mark, error) {
	score, err := f.grades.Score(ctx, command, example, outputs)
	query, _ := example.Get("query")
	if err == nil && f.fails(python.Str(query)) {
		err = fault.New(fault.Input, "score by command", command, "exit status 1; it says ValueError")
	}
	return score, err
}

// commanded is a job that is scored by a command that fails on some examples.
func commanded(t *testing.T, train, val int, fails func(query string) bool) (*optimizing, *failingCommand) {
	t.Helper()
	o := newOptimizing(t, ModeCompat)
	f := &failingCommand{fails: fails}
	o.a.Judges = f
	in := prepared(t)
	in.Metric = json.RawMessage(`{"kind":"command","command":"grade"}`)
	in.Trainset, in.Valset, in.Testset = examples(t, 0, train), examples(t, 100, 100+val), examples(t, 200, 212)
	o.begin(in)
	return o, f
}

func always(string) bool { return true }

// TestMetricFailsOnAnAnswer: the answer scores 0, the run continues, and its report says so. The
// run does not score the answer again; another run does.
func TestMetricFailsOnAnAnswer(t *testing.T) {
	t.Parallel()
	o, f := commanded(t, 12, 10, func(query string) bool { return strings.HasSuffix(query, "3") })
	for _, part := range o.parts() {
		_, err := part.run(o)
		require.NoError(t, err, part.name)
	}
	published, err := o.publish()
	require.NoError(t, err)
	var page prompt.Report
	o.a.Report = func(_ io.Writer, r prompt.Report) error {
		page = r
		return nil
	}
	_, err = activitytest.Run(t, o.a.WriteOptimizeReport, ReportInput{SearchStep: o.step(0), Name: published.Name, Version: published.Version})
	require.NoError(t, err)
	require.Positive(t, page.Unscored)
	require.Contains(t, page.UnscoredWhy, "ValueError")

	asked := f.asked.Load()
	_, err = activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.NoError(t, err)
	require.Equal(t, asked, f.asked.Load())
	o.who.Ledger, f.fails = "another run", func(string) bool { return false }
	_, err = activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.NoError(t, err)
	require.Greater(t, f.asked.Load(), asked, "the failures belong to the previous run")
}

// TestMetricFailsOnEveryAnswer: the command is at fault, and the run fails: after a part of
// the search, or earlier if there are many examples. A new run calls the command again.
func TestMetricFailsOnEveryAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		train int
		fails string // the activity
	}{"few examples": {4, "search"}, "many examples": {60, "bootstrap"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, f := commanded(t, c.train, 10, always)
			for _, part := range o.parts() {
				_, err := part.run(o)
				if part.name != c.fails {
					require.NoError(t, err, part.name)
					continue
				}
				require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
				require.ErrorContains(t, err, "it failed on each of")
				require.ErrorContains(t, err, "ValueError")
				break
			}
			require.LessOrEqual(t, int(f.asked.Load()), failuresAtMost+o.lm.Limit("")+c.train)
			n, _, err := o.a.commandFailures(t.Context(), o.who)
			require.NoError(t, err)
			require.Zero(t, n)
			f.fails = func(string) bool { return false }
			for _, part := range o.parts() {
				_, err := part.run(o)
				require.NoError(t, err, part.name)
			}
		})
	}
}

// TestMetricInputWithoutNaN: an infinity that a model wrote scores 0.
func TestMetricInputWithoutNaN(t *testing.T) {
	t.Parallel()
	o, f := commanded(t, 12, 10, always)
	_, err := activitytest.Run(t, func(ctx context.Context, in Spender) (Asked, error) {
		c, err := o.a.begin(ctx, in)
		require.NoError(t, err)
		one := c.answer(ctx, mipro.Call{
			Role: mipro.Command, Command: "grade", Example: python.NewObject("query", "topic 1"), Outputs: python.NewObject("answer", math.Inf(1)),
		}, 0, nil)
		require.Zero(t, one.answer.Score)
		return Asked{}, one.err
	}, o.who)
	require.NoError(t, err)
	require.Zero(t, f.asked.Load())
	n, why, err := o.a.commandFailures(t.Context(), o.who)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Contains(t, why, "inf")
}
