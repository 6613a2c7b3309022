package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/activities/train/checkpoints"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

// trainerOf is a fake trainer with a given number of steps and a checkpoint after every second one. Its
// weights contain the step at which they were written, so that a resumed process starts there.
type trainerOf struct {
	steps  int
	before func(step int, stop <-chan struct{}) error // called before each step; nil = nothing; set between two runs only
	began  []int                                      // the step at which each process started
	clocks []string                                   // the clock of the job of each process
	starts []string                                   // the weights that the job of each process continues
	key    string                                     // a secret that the process writes to its log
}

const checkpointEvery = 2

// Run acts as one trainer process.
func (tr *trainerOf) Run(_ context.Context, job training.Job, _ string, log io.Writer, stop <-chan struct{}, on func(training.Event) error) error {
	start := 0
	fmt.Fprintf(log, "begins with key %s\n", tr.key)
	if job.Resume != "" {
		weights, err := os.ReadFile(filepath.Join(job.Resume, "weights"))
		if err != nil {
			return err
		}
		if _, err := fmt.Sscanf(string(weights), "weights of step %d", &start); err != nil {
			return err
		}
	}
	tr.began, tr.clocks = append(tr.began, start), append(tr.clocks, job.Clock)
	if job.Start != nil {
		weights, err := os.ReadFile(job.Start.Path)
		if err != nil {
			return err
		}
		tr.starts = append(tr.starts, string(weights))
	}
	if err := on(training.Event{Event: training.EventDevice, Device: "a device"}); err != nil {
		return err
	}
	for step := start + 1; step <= tr.steps && !job.Finish; step++ {
		if tr.before != nil {
			if err := tr.before(step, stop); err != nil {
				return err
			}
		}
		select {
		case <-stop:
			return errors.Join(tr.checkpoint(job, step-1, on), training.ErrStopped)
		default:
		}
		fmt.Fprintf(log, "step %d\n", step)
		loss := 1 / float64(step)
		if err := on(training.Event{Event: training.EventStep, Step: step, Total: tr.steps, Loss: &loss, Tokens: int64(step)}); err != nil {
			return err
		}
		if step%checkpointEvery == 0 {
			if err := tr.checkpoint(job, step, on); err != nil {
				return err
			}
		}
	}
	if err := writeFile(filepath.Join(job.WorkDir, "output", "best", "weights"), fmt.Sprint("the best of ", tr.steps)); err != nil {
		return err
	}
	return on(training.Event{Event: training.EventDone, Path: "output", BestStep: tr.steps})
}

func writeFile(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o600)
}

func (tr *trainerOf) checkpoint(job training.Job, step int, on func(training.Event) error) error {
	name := fmt.Sprint("checkpoints/written-", step)
	m := training.CheckpointManifest{Version: training.ProtocolVersion, Job: job.Job, Step: step, BestStep: step, Tokens: int64(step)}
	for file, text := range map[string]string{"best/weights": fmt.Sprint("the best of ", step), "weights": fmt.Sprint("weights of step ", step)} {
		if err := writeFile(filepath.Join(job.WorkDir, name, file), text); err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(text))
		m.Files = append(m.Files, training.CheckpointFile{Name: file, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(m.Files, func(x, y training.CheckpointFile) int { return strings.Compare(x.Name, y.Name) })
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(job.WorkDir, name, training.ManifestName), string(text)); err != nil {
		return err
	}
	return on(training.Event{Event: training.EventCheckpoint, Step: step, BestStep: step, Path: name})
}

// oneModel finds every base model, and oneGPU always has a free device.
type (
	oneModel struct{}
	oneGPU   struct{}
)

func (oneModel) Find(_ context.Context, name string) (training.Model, error) {
	return training.Model{Name: name, Revision: "r"}, nil
}

func (oneModel) Shape(context.Context, training.Model) (estimate.Shape, error) {
	return estimate.Shape{}, nil
}

func (oneGPU) Lease(context.Context, int, func(string)) (string, func(), error) {
	return "", func() {}, nil
}

// trained is a job on one worker.
type trained struct {
	t       *testing.T
	a       *Activities
	store   *activitytest.Store
	trainer *trainerOf
	in      RunInput
}

func newTrained(t *testing.T) *trained {
	t.Helper()
	dir := t.TempDir()
	files, err := blob.Open(t.Context(), "file://"+filepath.Join(dir, "store"))
	require.NoError(t, err)
	j := &trained{t: t, store: &activitytest.Store{Store: files}, trainer: &trainerOf{steps: 9}}
	for _, name := range []string{"scratch", "kept"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	j.a = &Activities{
		Store: j.store, Models: oneModel{}, Trainer: j.trainer, GPUs: oneGPU{}, Runs: activitytest.Runs{},
		Scratch: filepath.Join(dir, "scratch"), Kept: filepath.Join(dir, "kept"), SaveEvery: 60,
		Prices: estimate.Prices{"cpu": 0}, // without a ledger
	}
	rows := `{"prompt":"p","completion":"c"}`
	sum := sha256.Sum256([]byte(rows))
	f := training.File{SHA256: hex.EncodeToString(sum[:])}
	_, err = files.Put(t.Context(), training.DatasetKey("default", f.SHA256), strings.NewReader(rows))
	require.NoError(t, err)
	j.in = RunInput{Tenant: "default", Job: "job", Spec: training.Spec{Method: training.SFT, Model: "m", Revision: "r"}, Train: f, Class: "cpu", MicroBatch: 1, Accumulation: 1}
	return j
}

// run makes one attempt. Its tally is part of the input of the next one.
func (j *trained) run() (Run, error) {
	j.t.Helper()
	out, err := activitytest.Run(j.t, j.a.RunTraining, j.in)
	if err == nil {
		j.in.Before = out.Tally
	}
	left, globErr := filepath.Glob(filepath.Join(j.a.Scratch, "*"))
	require.NoError(j.t, globErr)
	require.Empty(j.t, left, "an attempt leaves no scratch files")
	return out, err
}

// steps lists the steps with a complete checkpoint in the store, the newest first.
func (j *trained) steps() []int {
	j.t.Helper()
	whole, _, err := checkpoints.List(j.t.Context(), j.a.Store, "default", "job")
	require.NoError(j.t, err)
	var out []int
	for _, prefix := range whole {
		var m training.StoredCheckpoint
		require.NoError(j.t, activities.ReadJSON(j.t.Context(), j.store, prefix+training.ManifestName, &m))
		out = append(out, m.Step)
	}
	return out
}

func (j *trained) publish(change func(in *PublishInput)) (PublishedAdapter, error) {
	j.t.Helper()
	in := PublishInput{JobInput: activities.JobInput{Tenant: "default", Job: "job"}, Name: "support", Role: "support", Spec: j.in.Spec, GPU: "cpu"}
	if change != nil {
		change(&in)
	}
	return activitytest.Run(j.t, j.a.PublishAdapter, in)
}

// content is the weights of a published version.
func (j *trained) content(version int) string {
	j.t.Helper()
	data, err := activities.ReadAll(j.t.Context(), j.store, training.AdapterPrefix("default", "support", version)+"weights")
	require.NoError(j.t, err)
	return string(data)
}

// TestTrainOnce: a finished job is not trained again when its result was lost, and
// leaves no checkpoint.
func TestTrainOnce(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	for range 2 {
		out, err := j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedDone, out.Ended)
		require.Equal(t, []int{0}, j.trainer.began)
		require.Empty(t, j.steps())
	}
	require.Equal(t, 9, j.in.Before.Reached)
}

// TestTrainIsCancelled: a cancellation stops a trainer at a checkpoint, and the next attempt
// continues from there. A cancellation by a user ends the run; one by a worker or the server is
// reported as preempted.
func TestTrainIsCancelled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		why   error
		class fault.Class // "" = the run ends without an error
	}{
		"by a person":   {temporal.NewCanceledError(), ""},
		"by the server": {errors.New("the activity was paused"), fault.Preempted},
	} {
		t.Run(name, func(t *testing.T) {
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
			err := activitytest.Cancelled(t, func(ctx context.Context, in RunInput) (Run, error) {
				out, err := j.a.RunTraining(ctx, in)
				if err == nil {
					require.Equal(t, training.EndedStopped, out.Ended)
					require.Equal(t, 5, out.Report.Checkpoint)
				}
				return out, err
			}, j.in, c.why, reached)
			require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			require.Equal(t, 5, j.steps()[0])
			j.trainer.before = nil
			out, err := j.run()
			require.NoError(t, err)
			require.Equal(t, training.EndedDone, out.Ended)
			require.Equal(t, []int{0, 5}, j.trainer.began)
		})
	}
}

// TestTrainerDies: an attempt resumes from the checkpoint of a process that died. Repeated
// failures without a completed step end the run.
func TestTrainerDies(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	died := fault.New(fault.Transport, "train", "", "the process was killed")
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step%4 == 0 {
			return died
		}
		return nil
	}
	for range 2 {
		_, err := j.run()
		require.Equal(t, fault.Preempted, activitytest.ClassOf(err), "%v", err)
	}
	require.Equal(t, []int{0, 2}, j.trainer.began)
	j.in.Before.Failures = activities.TransportAttempts - 1
	j.trainer.before = func(int, <-chan struct{}) error { return died }
	_, err := j.run()
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "without completing a step")
	j.in.Before.Failures, j.trainer.before = 0, nil
	_, err = j.run()
	require.NoError(t, err)
	require.Equal(t, []int{0, 2, 2, 2}, j.trainer.began)
}

// TestCheckpointsWithoutRoom: training continues while the store has no room for checkpoints.
// A checkpoint that could not be stored is kept on the disk of the worker, and the next attempt
// there resumes from it.
func TestCheckpointsWithoutRoom(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.store.NoRoom = func(key string) bool { return strings.HasPrefix(key, training.CheckpointsPrefix("default", "job")) }
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 8 {
			return fault.New(fault.Transport, "train", "", "the process was killed")
		}
		return nil
	}
	_, err := j.run()
	require.ErrorContains(t, err, "no space left")
	require.Empty(t, j.steps())
	_, err = j.run()
	require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "without room no training starts, because its result would be lost: %v", err)
	require.Equal(t, []int{0}, j.trainer.began)
	j.store.NoRoom, j.trainer.before = nil, nil
	out, err := j.run()
	require.NoError(t, err)
	require.Equal(t, training.EndedDone, out.Ended)
	require.Equal(t, []int{0, 6}, j.trainer.began)
}

// TestOutputWithoutRoom: an output that could not be stored is computed again from the last
// checkpoint, not from the first step.
func TestOutputWithoutRoom(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"best/weights", training.EventsName, training.ManifestName} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			j := newTrained(t)
			j.store.NoRoom = func(k string) bool {
				return strings.HasPrefix(k, training.OutputPrefix("default", "job")) && strings.HasSuffix(k, key)
			}
			_, err := j.run()
			require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
			_, err = activitytest.Run(t, j.a.ClaimJob, activities.JobInput{Tenant: "default", Job: "job"})
			require.NoError(t, err)
			out, err := j.a.output(t.Context(), "default", "job")
			require.NoError(t, err)
			require.Nil(t, out, "an incomplete output does not count")
			j.store.NoRoom = nil
			_, err = j.run()
			require.NoError(t, err)
			require.Equal(t, []int{0, 8}, j.trainer.began)
		})
	}
}

// TestDamagedCheckpoint: a checkpoint with a missing file is skipped, and the one before it
// is used.
func TestDamagedCheckpoint(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 7 {
			return fault.New(fault.Transport, "train", "", "the process was killed")
		}
		return nil
	}
	_, err := j.run()
	require.Error(t, err)
	steps := append(j.steps(), 0) // a slow store skips some checkpoints
	require.Equal(t, 6, steps[0])
	var weights []string
	require.NoError(t, j.store.List(t.Context(), training.CheckpointPrefix("default", "job", 6), func(o object.Info) error {
		if strings.HasSuffix(o.Key, "/weights") && !strings.HasSuffix(o.Key, "best/weights") {
			weights = append(weights, o.Key)
		}
		return nil
	}))
	require.Len(t, weights, 1)
	require.NoError(t, j.store.Delete(t.Context(), weights[0]))
	j.trainer.before = nil
	_, err = j.run()
	require.NoError(t, err)
	require.Equal(t, []int{0, steps[1]}, j.trainer.began)
}

// TestPublish: an outcome of a job has one version, however often it is published and
// at whatever point an attempt failed. A stopped job is published from its checkpoint, and
// again as the next version once it is done.
func TestPublish(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	none, err := j.publish(func(in *PublishInput) { in.IfThere = true })
	require.NoError(t, err)
	require.Zero(t, none.Version)
	_, err = j.publish(nil)
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)

	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 7 {
			return fault.New(fault.Transport, "train", "", "the process was killed")
		}
		return nil
	}
	_, err = j.run()
	require.Error(t, err)
	for _, name := range []string{"/weights", cardName, training.ManifestName} {
		j.store.NoRoom = func(key string) bool {
			return strings.HasPrefix(key, training.AdaptersPrefix("default")) && strings.HasSuffix(key, name)
		}
		_, err = j.publish(nil)
		require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%s: %v", name, err)
	}
	j.store.NoRoom = nil
	for range 2 {
		out, err := j.publish(nil)
		require.NoError(t, err)
		require.Equal(t, 1, out.Version)
		require.Equal(t, training.EndedStopped, out.Outcome.Ended)
		require.Equal(t, "the best of 6", j.content(1))
	}
	j.trainer.before = nil
	_, err = j.run()
	require.NoError(t, err)
	for range 2 {
		out, err := j.publish(nil)
		require.NoError(t, err)
		require.Equal(t, 2, out.Version)
		require.Equal(t, training.EndedDone, out.Outcome.Ended)
		require.Equal(t, "the best of 9", j.content(2))
	}
}

// TestJobIsClaimed: one workflow at a time trains a job; one that lost its claim does not
// release the claim of the other, and ClaimJob of a finished job returns its outcome.
func TestJobIsClaimed(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	job := activities.JobInput{Tenant: "default", Job: "job"}
	claim := func() (*training.Outcome, error) { return activitytest.Run(t, j.a.ClaimJob, job) }
	for range 2 {
		out, err := claim()
		require.NoError(t, err)
		require.Nil(t, out)
	}
	key := training.ClaimKey("default", "job")
	require.NoError(t, activities.WriteManifest(t.Context(), j.store, key, json.RawMessage(`{"workflow":"other","run":"r","number":2}`)))
	j.a.Runs = activitytest.Runs{"other"}
	_, err := claim()
	require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
	require.NoError(t, activitytest.Do(t, j.a.ReleaseJob, job))
	kept, err := activities.ReadAll(t.Context(), j.store, key)
	require.NoError(t, err)
	require.Contains(t, string(kept), `"other"`)
	j.a.Runs = activitytest.Runs{}
	_, err = j.run()
	require.NoError(t, err)
	out, err := claim()
	require.NoError(t, err)
	require.Equal(t, training.EndedDone, out.Ended)
	for range 2 {
		require.NoError(t, activitytest.Do(t, j.a.ReleaseJob, job))
	}
	free, err := j.a.claims().Released(activities.WithTenant(t.Context(), tenant.ID("default")), key)
	require.NoError(t, err)
	require.True(t, free)
}
