package train

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
)

// boards returns the event files under a prefix by their keys.
func (j *trained) boards(prefix string) map[string]string {
	j.t.Helper()
	out := map[string]string{}
	require.NoError(j.t, j.store.List(j.t.Context(), prefix, func(o object.Info) error {
		if strings.Contains(o.Key, "tfevents") {
			data, err := activities.ReadAll(j.t.Context(), j.store, o.Key)
			out[o.Key] = string(data)
			return err
		}
		return nil
	}))
	return out
}

// TestTensorBoardOfAKilledJob: while a job trains, the store has its scalars up to the newest
// checkpoint. At the end they are those of all steps, each once, whatever was killed, and the adapter
// has a copy.
func TestTensorBoardOfAKilledJob(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 8 {
			return fault.New(fault.Transport, "train", "", "the process was killed")
		}
		return nil
	}
	_, err := j.run()
	require.Error(t, err)
	jobs := training.TensorBoardPrefix("default", "job")
	partial := j.boards(jobs)
	require.Len(t, partial, 1)
	for _, file := range partial {
		require.Equal(t, 6, strings.Count(file, "train/loss"), "the steps up to the checkpoint")
	}
	j.trainer.before = nil
	_, err = j.run()
	require.NoError(t, err)
	require.Equal(t, []int{0, 6}, j.trainer.began, "step 7 was made twice")
	published, err := j.publish(nil)
	require.NoError(t, err)
	require.Equal(t, training.AdapterPrefix("default", "support", 1)+"tensorboard/", published.TensorBoard)
	whole, copied := j.boards(jobs), j.boards(published.TensorBoard)
	require.Len(t, whole, 1)
	require.Len(t, copied, 1)
	for key, file := range whole {
		require.Contains(t, partial, key, "the file is replaced")
		require.Equal(t, 9, strings.Count(file, "train/loss"))
		require.Equal(t, file, copied[published.TensorBoard+strings.TrimPrefix(key, jobs)])
	}
	m, _, err := registry.ReadAdapter(t.Context(), j.store, "default", "support", 1)
	require.NoError(t, err)
	require.Equal(t, published.TensorBoard, m.TensorBoard("default"))
	again, err := j.publish(nil)
	require.NoError(t, err)
	require.Equal(t, published.TensorBoard, again.TensorBoard)
}

// TestTensorBoardOfAFormerBuild: a job without a clock gets its file too, and an adapter without a file
// names none.
func TestTensorBoardOfAFormerBuild(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	_, err := j.run()
	require.NoError(t, err)
	require.NoError(t, j.store.Delete(t.Context(), training.ClockKey("default", "job")))
	published, err := j.publish(nil)
	require.NoError(t, err)
	for key := range j.boards(published.TensorBoard) {
		require.True(t, strings.HasSuffix(key, "events.out.tfevents.0.job"), key)
	}
	require.Empty(t, training.Adapter{Name: "support", Version: 1}.TensorBoard("default"))
	_, err = j.store.Put(t.Context(), training.ClockKey("default", "job"), bytes.NewReader([]byte(`{"time": "noon"}`)))
	require.NoError(t, err)
	_, err = j.publish(func(in *PublishInput) { in.Name = "other" })
	require.ErrorContains(t, err, "read clock")
}
