package train

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// TestClock: every attempt of a job reads the time of the first one, across midnight and in
// another process. Another job has a time of its own.
func TestClock(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	now := time.Date(2026, 11, 28, 23, 59, 59, 0, time.FixedZone("", -3600))
	j.a.now = func() time.Time { return now }
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 5 {
			return fault.New(fault.Transport, "train", "job", "killed")
		}
		return nil
	}
	_, err := j.run()
	require.Error(t, err)
	now = now.Add(24 * time.Hour)
	j.trainer.before = nil
	_, err = j.run()
	require.NoError(t, err)
	require.Equal(t, []int{0, 4}, j.trainer.began)
	require.Equal(t, []string{"2026-11-29T00:59:59Z", "2026-11-29T00:59:59Z"}, j.trainer.clocks)
	var out training.Output
	require.NoError(t, activities.ReadJSON(t.Context(), j.a.Store, training.OutputPrefix("default", "job")+training.ManifestName, &out))
	require.Equal(t, "2026-11-29T00:59:59Z", out.Outcome.Clock)

	j.in.Job = "other"
	_, err = j.run()
	require.NoError(t, err)
	require.Equal(t, "2026-11-30T00:59:59Z", j.trainer.clocks[2])
}

// TestClockOfEarlierBuild: a job with checkpoints and without a clock continues as it began.
func TestClockOfEarlierBuild(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 5 {
			return fault.New(fault.Transport, "train", "job", "killed")
		}
		return nil
	}
	_, err := j.run()
	require.Error(t, err)
	require.NoError(t, j.a.Store.Delete(t.Context(), training.ClockKey("default", "job")))
	j.trainer.before = nil
	_, err = j.run()
	require.NoError(t, err)
	require.Equal(t, []int{0, 4}, j.trainer.began)
	require.Empty(t, j.trainer.clocks[1])
	require.True(t, activities.Absent(activities.ReadJSON(t.Context(), j.a.Store, training.ClockKey("default", "job"), &training.Clock{})))
}
