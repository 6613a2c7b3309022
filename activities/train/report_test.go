package train

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/summary"
)

// pages are reports that say how many events and samples they were given.
func pages() Reports {
	return Reports{
		Train: func(w io.Writer, r summary.Run) error {
			steps := 0
			for _, e := range r.Events {
				if e.Event == training.EventStep {
					steps++
				}
			}
			_, err := fmt.Fprintf(w, "%s@%d of %s, %d steps, %d samples", r.Adapter.Name, r.Adapter.Version, r.Workflow, steps, len(r.Samples))
			return err
		},
		Sweep: func(w io.Writer, r summary.Sweep) error {
			_, err := fmt.Fprintf(w, "%d runs of %s", len(r.Runs), r.Workflow)
			return err
		},
	}
}

func (j *trained) report(version int) (string, error) {
	j.t.Helper()
	in := ReportInput{JobInput: activities.JobInput{Tenant: "default", Job: "job"}, Name: "support", Version: version, RunID: "run"}
	out, err := activitytest.Run(j.t, j.a.WriteTrainReport, in)
	if err != nil {
		return "", err
	}
	text, err := activities.ReadAll(j.t.Context(), j.store, out.Key)
	require.NoError(j.t, err)
	return string(text), nil
}

// TestReport: a report shows all steps of a job, of one that was stopped those up to its
// checkpoint, whatever attempts made them.
func TestReport(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.a.Reports = pages()
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 7 {
			return fault.New(fault.Transport, "train", "", "the process was killed")
		}
		return nil
	}
	_, err := j.run()
	require.Error(t, err)
	_, err = j.report(1)
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "nothing is published: %v", err)
	_, err = j.publish(nil)
	require.NoError(t, err)
	page, err := j.report(1)
	require.NoError(t, err)
	require.Equal(t, "support@1 of "+activitytest.Workflow+", 6 steps, 0 samples", page)

	j.trainer.before = nil
	_, err = j.run()
	require.NoError(t, err)
	_, err = j.publish(nil)
	require.NoError(t, err)
	j.store.NoRoom = func(string) bool { return true }
	_, err = j.report(2)
	require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
	j.store.NoRoom = nil
	for range 2 {
		page, err = j.report(2)
		require.NoError(t, err)
		require.Equal(t, "support@2 of "+activitytest.Workflow+", 9 steps, 0 samples", page)
	}
	broken := errors.New("the page cannot be written")
	j.a.Reports.Train = func(io.Writer, summary.Run) error { return broken }
	_, err = j.report(2)
	require.ErrorContains(t, err, broken.Error())

	require.NoError(t, j.store.List(t.Context(), training.OutputPrefix("default", "job"), func(o object.Info) error {
		if strings.HasSuffix(o.Key, training.EventsName) {
			return j.store.Delete(t.Context(), o.Key)
		}
		return nil
	}))
	_, err = j.report(2)
	require.ErrorContains(t, err, "not found", "a report requires its events")
}

// TestSweepReport is of the workflow that asks for it, whatever its input says.
func TestSweepReport(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.a.Reports = pages()
	in := SweepReportInput{RunID: "run", Report: summary.Sweep{Tenant: "default", Workflow: "another", Runs: make([]summary.SweepLine, 3)}}
	out, err := activitytest.Run(t, j.a.WriteSweepReport, in)
	require.NoError(t, err)
	text, err := activities.ReadAll(t.Context(), j.store, out.Key)
	require.NoError(t, err)
	require.Equal(t, "3 runs of "+activitytest.Workflow, string(text))
	j.store.NoRoom = func(string) bool { return true }
	_, err = activitytest.Run(t, j.a.WriteSweepReport, in)
	require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
}

// TestTallyOfADeadAttempt: the tally of an attempt that died is in its last heartbeat. The
// next attempt continues it, and steps that it repeats count as redone.
func TestTallyOfADeadAttempt(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 6 {
			return fault.New(fault.Transport, "train", "", "the process was killed")
		}
		return nil
	}
	_, err := j.run()
	require.Error(t, err)
	require.Equal(t, 4, j.steps()[0])
	j.trainer.before = nil
	last := Pulse{Tally: Tally{Attempts: 3, Reached: 5, Redone: 2, Failures: 1, Seconds: 100}, Report: Report{Step: 5, Total: 9}}
	out, err := activitytest.RunAfter(t, j.a.RunTraining, j.in, last)
	require.NoError(t, err)
	require.Equal(t, training.EndedDone, out.Ended)
	require.Equal(t, 4, out.Tally.Attempts)
	require.Equal(t, 3, out.Tally.Redone, "the step after the checkpoint")
	require.Equal(t, 9, out.Tally.Reached)
	require.Zero(t, out.Tally.Failures, "a step was gained")
	require.GreaterOrEqual(t, out.Tally.Seconds, 100.0)

	_, err = activitytest.RunAfter(t, j.a.RunTraining, j.in, "no pulse")
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
}

// TestSampleOfARow: a row that can be read is shown by its parts, any other row unparsed and truncated.
func TestSampleOfARow(t *testing.T) {
	t.Parallel()
	var s summary.Sample
	describe(&s, []byte(`{"prompt":"what?","completion":"that"}`+"\n"))
	require.Equal(t, summary.Sample{Parts: rows.PromptRow("what?", "that").Parts}, s)
	s = summary.Sample{}
	describe(&s, []byte(`{"unknown": `+strings.Repeat("x", 9000)))
	require.Empty(t, s.Parts)
	require.Len(t, s.Text, maxSampleText)
}
