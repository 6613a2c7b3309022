package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/optimize"
	"github.com/cogniverse/cogflow/workflows/train"
)

// upgradeBuilds is the variable with the output directory of deploy/upgrade/build.sh.
const upgradeBuilds = "COGFLOW_UPGRADE_BUILDS"

// build is the worker and the trainer of a commit.
type build string

const (
	thisBuild = build("this") // of the working tree
	nextBuild = build("next") // like this, but with another extractor and document schema only
)

// formerBuilds lists the builds of earlier commits. It skips the test if none are configured.
func formerBuilds(t *testing.T) (found []build) {
	t.Helper()
	dir := os.Getenv(upgradeBuilds)
	if dir == "" {
		t.Skip("run make upgrade-test, which builds the workers of earlier commits")
	}
	built, err := filepath.Glob(filepath.Join(dir, "*", ".built"))
	require.NoError(t, err)
	for _, path := range built {
		found = append(found, build(filepath.Base(filepath.Dir(path))))
	}
	require.NotEmpty(t, found)
	return found
}

func (b build) String() string { return string(b[:min(len(b), 7)]) }

func (b build) file(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(os.Getenv(upgradeBuilds), string(b), name))
	require.NoError(t, err)
	require.FileExists(t, path)
	return path
}

// workerOf starts a worker of a build, with the trainer of that build.
func (s *stack) workerOf(t *testing.T, b build, env ...string) *workerProcess {
	t.Helper()
	s.program = b.file(t, "cogflow-worker")
	trainer := filepath.Dir(filepath.Dir(filepath.Dir(b.file(t, "trainer/src/trainer/__main__.py"))))
	python, err := filepath.Abs(trainerPython)
	require.NoError(t, err)
	return s.worker(nil, append([]string{"COGFLOW_TRAINING_TRAINER_DIR=" + trainer, "COGFLOW_TRAINING_PYTHON=" + python}, env...)...)
}

// gate admits a number of calls of a model and makes the other calls retry, so that work stops
// at a known point without calls in flight.
type gate struct {
	mu           sync.Mutex
	open, passed int
}

func (g *gate) pass() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.passed >= g.open {
		return false
	}
	g.passed++
	return true
}

// after opens the gate for a number of calls and waits until they have passed.
func (g *gate) after(t *testing.T, calls int) {
	t.Helper()
	g.mu.Lock()
	g.open = calls
	g.mu.Unlock()
	require.Eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.passed >= calls
	}, soon, 5*time.Millisecond, "call %d was not made", calls)
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = 1 << 30
}

// shared starts another worker beside a running one, lets both work for a while, and stops
// the first: a rolling upgrade or a rollback.
func (s *stack) shared(t *testing.T, from *workerProcess, to build, queue string, meanwhile func()) *workerProcess {
	t.Helper()
	w := s.workerOf(t, to)
	s.awaitPollers(queue, 2)
	meanwhile()
	from.drain()
	return w
}

// shortJob is complexJob with one epoch, which is 10 steps.
func shortJob(t *testing.T, dataset string) train.Input {
	t.Helper()
	in := complexJob(dataset)
	require.NoError(t, json.Unmarshal([]byte(`{"epochs":1}`), in.SFT))
	return in
}

// TestUpgradeTraining: a job starts on a former build, continues on this build and ends on the
// former build. It has the same weights as a job on the former build only.
func TestUpgradeTraining(t *testing.T) {
	t.Parallel()
	for _, former := range formerBuilds(t) {
		t.Run(former.String(), func(t *testing.T) {
			t.Parallel()
			reference, _ := newTrainStack(t)
			w := reference.workerOf(t, former)
			undisturbed := await[train.Result](reference, reference.startTraining(shortJob(t, writeDataset(t, reference.dir))), 4*time.Minute)
			require.Equal(t, 10, undisturbed.Steps)
			want := reference.adapter(undisturbed.Job, undisturbed.Version)
			w.drain()

			s, _ := newTrainStack(t)
			w = s.workerOf(t, former)
			run := s.startTraining(shortJob(t, writeDataset(t, s.dir)))
			w = s.shared(t, w, thisBuild, "train-cpu", func() { s.stored(2) })
			w = s.shared(t, w, former, "train-cpu", func() { s.stored(6) })
			out := await[train.Result](s, run, 4*time.Minute)
			require.Equal(t, undisturbed.Job, out.Job)
			require.Equal(t, want, s.adapter(out.Job, out.Version))
			require.Equal(t, undisturbed.Metrics, out.Metrics)
			require.Equal(t, undisturbed.Comparison, out.Comparison)
			require.Zero(t, out.Redone, "a drain loses no step")
			w.drain()

			w = s.workerOf(t, thisBuild)
			again, err := execute[train.Result](s, "again", "TrainSFT", shortJob(t, writeDataset(t, s.dir)))
			require.NoError(t, err)
			require.Equal(t, "unchanged", again.Status, "a job of a former build has the same id")
			require.Equal(t, undisturbed.Job, again.Job)
			w.drain()
			require.Empty(t, s.temporary())
		})
	}
}

// TestUpgradeOptimization: a prompt optimization changes builds like the job of
// TestUpgradeTraining, in two modes. Each question is answered once, whichever build asked it.
func TestUpgradeOptimization(t *testing.T) {
	t.Parallel()
	for _, former := range formerBuilds(t) {
		for _, mode := range []string{"compat", "improved"} {
			t.Run(former.String()+" "+mode, func(t *testing.T) {
				t.Parallel()
				in := topicInput(mode)
				reference := newLMStack(t)
				w := reference.workerOf(t, former)
				want := await[optimize.Result](reference.stack, reference.optimize(in), 4*time.Minute)
				w.drain()
				calls := len(reference.lm.Answered())

				c := newLMStack(t)
				g := &gate{}
				c.lm.Decide = heldAnswers(g)
				w = c.workerOf(t, former)
				run := c.optimize(in)
				g.after(t, calls/5)
				w = c.shared(t, w, thisBuild, workflows.QueueLM, func() { g.after(t, calls/3) })
				g.after(t, calls/2)
				w = c.shared(t, w, former, workflows.QueueLM, func() { g.after(t, 2*calls/3) })
				g.lift()
				out := await[optimize.Result](c.stack, run, 4*time.Minute)
				require.Equal(t, want.Verdict, out.Verdict)
				require.Equal(t, want.Job, out.Job)
				require.Zero(t, out.Repeated)
				require.Equal(t, reference.published(), c.published())
				require.Equal(t, reference.lm.Answered(), c.lm.Answered(), "each question was answered once")
				w.drain()

				w = c.workerOf(t, thisBuild)
				again, err := execute[optimize.Result](c.stack, "again", "OptimizePrompts", in)
				require.NoError(t, err)
				require.Equal(t, "unchanged", again.Status)
				w.drain()
			})
		}
	}
}

// upgradeConfig is smallProfile with a describe endpoint.
func upgradeConfig(t *testing.T, url string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"cogflow": map[string]any{
		"active_profile": "small",
		"endpoints":      map[string]any{"vlm": map[string]any{"kind": "openai", "url": url + "/v1", "models": []string{"test/vlm"}}},
		"profiles": map[string]any{"small": map[string]any{
			"sampling": map[string]any{"strategy": "fps", "fps": 1}, "chunk_frames": 4,
			"describe": map[string]any{"model": "test/vlm", "revision": "1", "cost_micro_usd": 10},
		}},
	}})
	require.NoError(t, err)
	return string(text)
}
