package train

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/activities/train/speeds"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/summary"
)

// evaluating is a trainer that evaluates the base and the best, and says how fast it is.
type evaluating struct {
	*trainerOf
	base, best string // the files of rows
	answers    string // the file of answers; empty = none
}

func (e *evaluating) Run(ctx context.Context, job training.Job, devices string, log io.Writer, stop <-chan struct{}, on func(training.Event) error) error {
	return e.trainerOf.Run(ctx, job, devices, log, stop, func(event training.Event) error {
		switch event.Event {
		case training.EventStep:
			event.TokensPerSecond = 123
		case training.EventDone:
			for of, rows := range map[string]string{training.OfBase: e.base, training.OfBest: e.best} {
				name := "evals/" + of + ".jsonl"
				if err := writeFile(filepath.Join(job.WorkDir, name), rows); err != nil {
					return err
				}
				if err := on(training.Event{Event: training.EventEval, Of: of, Rows: name, Metrics: map[string]float64{training.MetricLoss: 1}}); err != nil {
					return err
				}
				if e.answers == "" {
					continue
				}
				if err := writeFile(filepath.Join(job.WorkDir, "evals", training.AnswersName(of)), e.answers); err != nil {
					return err
				}
			}
		}
		return on(event)
	})
}

// losses is a file of rows that all have one loss.
func losses(rows int, loss string) string {
	var lines strings.Builder
	for i := range rows {
		fmt.Fprintf(&lines, "{\"row\":%d,%q:%s}\n", i, training.MetricLoss, loss)
	}
	return lines.String()
}

func newEvaluated(t *testing.T) (*trained, *evaluating) {
	t.Helper()
	j := newTrained(t)
	e := &evaluating{trainerOf: j.trainer, base: losses(8, "2"), best: losses(8, "1")}
	held := strings.Repeat("x", 2*maxSampleText) + strings.Repeat("\nrow", 7)
	_, err := j.store.Put(t.Context(), training.DatasetKey("default", "held"), strings.NewReader(held))
	require.NoError(t, err)
	j.a.Trainer, j.in.Eval, j.in.Spec.Evaluation = e, &training.File{SHA256: "held", Rows: 8}, "held"
	return j, e
}

// TestEvaluation: the published manifest compares the best with its base, the report
// shows rows of both, and a later plan uses the measured speed.
func TestEvaluation(t *testing.T) {
	t.Parallel()
	j, _ := newEvaluated(t)
	_, err := j.run()
	require.NoError(t, err)
	published, err := j.publish(nil)
	require.NoError(t, err)
	require.NotNil(t, published.Outcome.Comparison)
	require.True(t, published.Outcome.Comparison.Better, published.Outcome.Comparison.Verdict)
	card, err := activities.ReadAll(t.Context(), j.store, training.AdapterPrefix("default", "support", 1)+cardName)
	require.NoError(t, err)
	require.Contains(t, string(card), "Better than its base")

	var page summary.Run
	j.a.Reports.Train = func(_ io.Writer, r summary.Run) error { page = r; return nil }
	_, err = j.report(1)
	require.NoError(t, err)
	require.Len(t, page.Samples, 8)
	for _, s := range page.Samples {
		require.InDelta(t, 2, s.Base, 0)
		require.InDelta(t, 1, s.Best, 0)
		require.NotEmpty(t, s.Text)
		require.LessOrEqual(t, len(s.Text), maxSampleText, "a long row is cut")
	}
	for _, gone := range []string{"evals/" + training.OfBest + ".jsonl", training.DatasetKey("default", "held")} {
		j.store.Fail(func(key string) error {
			if strings.HasSuffix(key, gone) {
				return fault.New(fault.Transport, "read object", key, "connection reset")
			}
			return nil
		})
		_, err = j.report(1)
		require.Equal(t, fault.Transport, activitytest.ClassOf(err), "%s: %v", gone, err)
	}
	j.store.Fail(nil)
	known, err := speeds.Read(t.Context(), j.store, "default", j.in.Spec, []string{"cpu", "h100"})
	require.NoError(t, err)
	require.Len(t, known, 1)
	require.InDelta(t, 123, known[0].TokensPerSecond, 0)
}

// TestAnswers: the page shows what both models answered to held-out rows, before the rows
// that changed most. Answers that cannot be read are an error of the report.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for answers, says := range map[string]string{
		`{"row": 3, "text": "red", "cut": true}` + "\n":            "",
		`{"row": 3, "text": "red"}{"row": 3, "text": "red"}`:       "read answers",
		strings.Repeat(`{"row": 3, "text": "red"}`+"\n", 2):        "row 3 is unexpected",
		`{"row": 3, "text": "` + strings.Repeat("x", 1<<17) + `"}`: "token too long",
	} {
		j, e := newEvaluated(t)
		e.answers = answers
		_, err := j.run()
		require.NoError(t, err)
		_, err = j.publish(nil)
		require.NoError(t, err)
		var page summary.Run
		j.a.Reports.Train = func(_ io.Writer, r summary.Run) error { page = r; return nil }
		_, err = j.report(1)
		if says != "" {
			require.ErrorContains(t, err, says)
			continue
		}
		require.NoError(t, err)
		require.Len(t, page.Samples, 8)
		require.Equal(t, 3, page.Samples[0].Row)
		want := &training.Answer{Row: 3, Text: "red", Cut: true}
		require.Equal(t, []*training.Answer{want, want}, []*training.Answer{page.Samples[0].BaseAnswer, page.Samples[0].BestAnswer})
		require.Nil(t, page.Samples[1].BestAnswer)
	}
}

// TestInterruptedSpeed: an interrupted run is not used to estimate the speed.
func TestInterruptedSpeed(t *testing.T) {
	t.Parallel()
	j, _ := newEvaluated(t)
	j.in.Before.Attempts = 1
	_, err := j.run()
	require.NoError(t, err)
	known, err := speeds.Read(t.Context(), j.store, "default", j.in.Spec, []string{"cpu"})
	require.NoError(t, err)
	require.Empty(t, known)
}

// TestUnusableEvaluation: an evaluation that cannot be compared is the trainer's fault. No
// outcome is stored, and the checkpoints stay.
func TestUnusableEvaluation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ base, best, says string }{
		"other rows":     {losses(8, "2"), losses(7, "1"), "8 rows and the trained model on 7"},
		"not JSON":       {losses(8, "2"), "\x1b[2Jrow", "line 1"},
		"not numbered":   {losses(8, "2"), losses(1, "1") + losses(1, "1"), "expected row 1"},
		"a long line":    {losses(8, "2"), losses(7, "1") + strings.Repeat(" ", 1<<17), "token too long"},
		"no such metric": {losses(8, "2"), strings.ReplaceAll(losses(8, "1"), training.MetricLoss, "joy"), "have no answer_loss or " + training.MetricLoss},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, e := newEvaluated(t)
			e.base, e.best = c.base, c.best
			_, err := j.run()
			require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\x1b")
			out, err := j.a.output(t.Context(), "default", "job")
			require.NoError(t, err)
			require.Nil(t, out)
			require.Equal(t, 8, j.steps()[0])
		})
	}
}

// TestNotFinite: if a metric of the trained model is not finite, the model is not better, whatever
// its other rows are.
func TestNotFinite(t *testing.T) {
	t.Parallel()
	j, e := newEvaluated(t)
	e.best = strings.Replace(e.best, ":1}", ":null}", 1)
	_, err := j.run()
	require.NoError(t, err)
	published, err := j.publish(nil)
	require.NoError(t, err)
	require.False(t, published.Outcome.Comparison.Better)
	require.Contains(t, published.Outcome.Comparison.Verdict, "no finite")
}
