package train

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// TestStoreFailsAtEachStep: after a failure of any store call in a run or its publication, the
// error names it, and the next attempt has the result of an undisturbed run.
func TestStoreFailsAtEachStep(t *testing.T) {
	t.Parallel()
	for at := int64(1); ; at++ {
		j := newTrained(t)
		j.trainer.steps = 3
		var calls atomic.Int64
		j.store.Fail(func(key string) error {
			if calls.Add(1) == at {
				return fault.New(fault.Transport, "use object", key, "connection reset")
			}
			return nil
		})
		_, err := j.run()
		if err == nil {
			_, err = j.publish(nil)
		}
		reached := calls.Load() >= at
		if err != nil {
			require.Contains(t, []fault.Class{fault.Transport, fault.Preempted}, activitytest.ClassOf(err), "call %d: %v", at, err)
			require.ErrorContains(t, err, "connection reset")
		}
		j.store.Fail(nil)
		out, err := j.run()
		require.NoError(t, err, "after a failure of call %d", at)
		require.Equal(t, training.EndedDone, out.Ended)
		version, err := j.publish(nil)
		require.NoError(t, err, "after a failure of call %d", at)
		require.Equal(t, 1, version.Version)
		require.Equal(t, "the best of 3", j.content(1))
		require.LessOrEqual(t, len(j.trainer.began), 2)
		if !reached {
			require.Greater(t, at, int64(20), "there are as many calls")
			return
		}
	}
}

// TestCancelledWhileTheStoreFails: a cancelled activity returns its progress and
// the current fault, not an error that would be retried.
func TestCancelledWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	reached := make(chan struct{})
	j.trainer.before = func(step int, stop <-chan struct{}) error {
		if step == 6 {
			close(reached)
			<-stop
		}
		return nil
	}
	j.store.Fail(func(key string) error {
		select {
		case <-reached:
			return fault.New(fault.Transport, "use object", key, "connection reset")
		default:
			return nil
		}
	})
	var out Run
	err := activitytest.Cancelled(t, func(ctx context.Context, in RunInput) (Run, error) {
		var err error
		out, err = j.a.RunTraining(ctx, in)
		return out, err
	}, j.in, temporal.NewCanceledError(), reached)
	require.NoError(t, err)
	require.Equal(t, training.EndedStopped, out.Ended)
	require.Equal(t, 5, out.Report.Step)
	require.Contains(t, out.Report.Trouble, "connection reset")
	j.store.Fail(nil)
	j.trainer.before, j.in.Before = nil, out.Tally
	_, err = j.run()
	require.NoError(t, err)
	require.Equal(t, []int{0, 5}, j.trainer.began, "the checkpoint waited on the disk of the worker")
}

// leased is a device that another process holds.
type leased struct{ asked chan struct{} }

func (l leased) Lease(ctx context.Context, _ int, _ func(string)) (string, func(), error) {
	close(l.asked)
	<-ctx.Done()
	return "", nil, context.Cause(ctx)
}

// TestCancelledBeforeADevice: a run that waits for a device ends at once, with the tally of earlier
// attempts. A run that its worker gives up is retried.
func TestCancelledBeforeADevice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		why   error
		ended bool
	}{
		"by a person":   {temporal.NewCanceledError(), true},
		"by the worker": {activities.ErrStopping, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newTrained(t)
			l := leased{make(chan struct{})}
			j.a.GPUs, j.in.Before = l, Tally{Attempts: 2, Reached: 7, Seconds: 9}
			var out Run
			err := activitytest.Cancelled(t, func(ctx context.Context, in RunInput) (Run, error) {
				var err error
				out, err = j.a.RunTraining(ctx, in)
				return out, err
			}, j.in, c.why, l.asked)
			require.Empty(t, j.trainer.began)
			if !c.ended {
				require.ErrorIs(t, err, activities.ErrStopping)
				return
			}
			require.NoError(t, err)
			require.Equal(t, training.EndedStopped, out.Ended)
			require.Equal(t, j.in.Before, out.Tally)
		})
	}
}

// TestTrainerPanics: a panic beside the trainer fails the attempt and not the worker. Its
// checkpoints are stored, its time is booked, and no goroutine is left.
func TestTrainerPanics(t *testing.T) {
	t.Parallel()
	metered(t, time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
		second := j.trainer.before
		j.trainer.before = func(step int, stop <-chan struct{}) error {
			if err := second(step, stop); step != 6 {
				return err
			}
			panic("a bug beside the trainer")
		}
		_, err := j.run()
		require.ErrorContains(t, err, "a bug beside the trainer")
		require.Equal(t, activities.ErrorType, string(activitytest.ClassOf(err)), "an error without a class is retried a few times")
		require.Equal(t, 4, j.steps()[0])
		require.EqualValues(t, 6*oneUSD, j.spent(l))
		j.trainer.before, j.in.Before = nil, l.last(t)
		_, err = j.run()
		require.NoError(t, err)
		require.Equal(t, []int{0, 4}, j.trainer.began)
	})
}
