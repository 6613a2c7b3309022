package train

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/video"
)

// inlineRows are so many rows of an input.
func inlineRows(n int) activities.Dataset {
	var d activities.Dataset
	for i := range n {
		d.Rows = append(d.Rows, json.RawMessage(fmt.Sprintf(`{"prompt":"question %d","completion":"answer %d"}`, i, i)))
	}
	return d
}

func (j *trained) prepare(d activities.Dataset) (dataset.Check, error) {
	j.t.Helper()
	none := 0.0
	return activitytest.Run(j.t, j.a.PrepareDataset, PrepareInput{
		Tenant: "default", Method: training.SFT, Train: d, MaxSeqLength: 512, ValidationShare: &none, MinRows: 3,
	})
}

// TestPrepareDataset: equal rows have one name and one object, wherever they come from.
// Rows that could not be stored, or are too few, are not the data of any job.
func TestPrepareDataset(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	stored := func() (n int) {
		require.NoError(t, j.store.List(t.Context(), "default/", func(object.Info) error { n++; return nil }))
		return n
	}
	before := stored()
	j.store.NoRoom = func(string) bool { return true }
	_, err := j.prepare(inlineRows(20))
	require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
	j.store.NoRoom = nil
	_, err = j.prepare(inlineRows(2))
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "too few rows")
	require.Equal(t, before, stored())

	first, err := j.prepare(inlineRows(20))
	require.NoError(t, err)
	require.Equal(t, 20, first.Train.Kept)
	require.Equal(t, before+1, stored())
	in, err := NewStoreRows("default", inlineRows(20).Rows)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, activitytest.Do(t, j.a.StoreRows, in))
		again, err := j.prepare(activities.Dataset{URI: in.URI})
		require.NoError(t, err)
		require.Equal(t, first.TrainFile.SHA256, again.TrainFile.SHA256)
		require.Equal(t, before+2, stored(), "the upload, and the rows as before")
	}
	in.Rows = json.RawMessage(`[{"prompt":"another"}]`)
	err = activitytest.Do(t, j.a.StoreRows, in)
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	require.Equal(t, before+2, stored())
	left, err := filepath.Glob(filepath.Join(j.a.Scratch, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestWrongWorker: a worker whose files of the base model differ from those of the job does not
// train.
func TestWrongWorker(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.in.Spec.Revision = "another"
	_, err := j.run()
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "revision r of the base model, the job requires another")
	require.Empty(t, j.trainer.began)
	j.in.Spec.Revision, j.in.Train.SHA256 = "r", strings.Repeat("0", 64)
	_, err = j.run()
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	require.Empty(t, j.trainer.began)
	j = newTrained(t)
	j.in.Finish = true
	_, err = j.run()
	require.ErrorContains(t, err, "no checkpoint was written yet")
	require.Empty(t, j.trainer.began)
}

// TestFinish: the best of a job that is stopped for good is kept, and no step is computed.
func TestFinish(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 5 {
			return fault.New(fault.Transport, "train", "", "the process was killed")
		}
		return nil
	}
	_, err := j.run()
	require.Error(t, err)
	j.in.Finish = true
	out, err := j.run()
	require.NoError(t, err)
	require.Equal(t, training.EndedDone, out.Ended)
	require.Equal(t, []int{0, 4}, j.trainer.began)
	require.Equal(t, 4, j.steps()[0], "the user may want to continue the training")
	kept, err := j.a.output(t.Context(), "default", "job")
	require.NoError(t, err)
	require.Equal(t, training.EndedStopped, kept.Outcome.Ended)
}

// TestSmallerBatch: after out of memory, the process is started again with a
// smaller batch, which later attempts keep.
func TestSmallerBatch(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.in.MicroBatch, j.in.Accumulation = 4, 1
	j.trainer.before = func(int, <-chan struct{}) error {
		if len(j.trainer.began) < 3 {
			return training.ErrOutOfMemory
		}
		return nil
	}
	out, err := j.run()
	require.NoError(t, err)
	require.Equal(t, training.EndedDone, out.Ended)
	require.Equal(t, 3, out.Tally.Attempts)
	require.Equal(t, 1, out.Tally.MicroBatch)
	require.Equal(t, 4, out.Tally.Accumulation)

	j = newTrained(t)
	j.trainer.before = func(int, <-chan struct{}) error { return training.ErrOutOfMemory }
	out, err = j.run()
	require.NoError(t, err)
	require.Equal(t, training.EndedOutOfMemory, out.Ended, "not even one row at a time fits")
}

// TestTimeIsBooked: the time of a trainer is booked once, what a dead worker left open is
// booked by the next attempt, and a limit that is spent begins no process.
func TestTimeIsBooked(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	calls, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, calls.Close()) })
	j.a.Ledger, j.a.Prices, j.in.Ledger = calls, map[string]float64{"cpu": 3600}, "run"
	left, err := calls.Reserve(t.Context(), video.Call{
		Tenant: "default", Job: "run", Workflow: activitytest.Workflow, Kind: meterKind, Model: "m on cpu", CostMicroUSD: 10_000_000, Fingerprint: "dead", Attempt: 1,
	}, 0)
	require.NoError(t, err)
	j.in.Before = Tally{SliceKey: left.Key, SliceUsed: 2_000_000}
	out, err := j.run()
	require.NoError(t, err)
	require.Equal(t, training.EndedDone, out.Ended)
	require.Empty(t, out.Tally.SliceKey)
	spent, err := calls.Spent(t.Context(), "default", "run", "")
	require.NoError(t, err)
	require.GreaterOrEqual(t, spent, int64(2_000_000))
	require.Less(t, spent, int64(10_000_000), "the slice of the dead worker is booked at what it used")
	require.Equal(t, spent, out.Tally.CostMicroUSD)
	published, err := j.publish(func(in *PublishInput) { in.Ledger, in.Tally = "run", out.Tally })
	require.NoError(t, err)
	require.Equal(t, spent, *published.CostMicroUSD)

	j = newTrained(t)
	j.a.Ledger, j.a.Prices, j.in.Ledger, j.in.LimitMicroUSD = calls, map[string]float64{"cpu": 3600}, "run", spent/2
	j.in.Job = "another" // of the same run
	out, err = j.run()
	require.NoError(t, err)
	require.Equal(t, training.EndedBudget, out.Ended)
	require.Empty(t, j.trainer.began)
	_, err = calls.Settle(t.Context(), left.Key, money.Booking{Outcome: money.Answered, MicroUSD: 1})
	require.NoError(t, err)
	again, err := calls.Spent(t.Context(), "default", "run", "")
	require.NoError(t, err)
	require.Equal(t, spent, again, "the first settlement stands")
	j.a.Prices = nil
	_, err = j.run()
	require.NoError(t, err, "an unknown price under a limit ends the run")
	require.Empty(t, j.trainer.began)
}
