package workflows_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/trainer/trainertest"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/training/summary"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/flowtest"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// trainWorld is the environment of the training workflows: real store and ledger, and a
// trainer whose model is a running hash, so that a lost or repeated step, or a step on other
// data, changes the result.
type trainWorld struct {
	t       *testing.T
	dir     string
	train   *train.Activities
	trainer *hashTrainer
	serving *modelServer
}

func newTrainWorld(t *testing.T) *trainWorld {
	t.Helper()
	g := &trainWorld{t: t, dir: t.TempDir(), trainer: &hashTrainer{steps: 12, saveEvery: 5, fits: 64}, serving: &modelServer{dir: t.TempDir()}}
	store, err := blob.Open(t.Context(), "file://"+filepath.Join(g.dir, "store"))
	require.NoError(t, err)
	calls, err := ledger.Open(filepath.Join(g.dir, "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, calls.Close()) })
	g.train = &train.Activities{
		Store: store, Ledger: calls, Documents: (*textVideos)(nil), Models: trainertest.OneModel{}, Trainer: g.trainer,
		GPUs: trainertest.FreeGPUs{}, Runs: noRuns{}, Prices: estimate.Prices{"cpu": 0, "h100": 36, "t4": 3.6},
		Reports: train.Reports{
			Train: func(w io.Writer, r summary.Run) error { return json.NewEncoder(w).Encode(r.Status) },
			Sweep: func(w io.Writer, r summary.Sweep) error { return json.NewEncoder(w).Encode(r.Best) },
		},
		Scratch: g.dir, Kept: filepath.Join(g.dir, "kept"), SaveEvery: 300, Version: "test",
	}
	return g
}

func (g *trainWorld) adapters() *registry.Adapters {
	return &registry.Adapters{Store: g.train.Store, Serving: g.serving}
}

func (g *trainWorld) environment() *testsuite.TestWorkflowEnvironment {
	env := flowtest.NewEnvironment()
	env.RegisterActivity(g.train)
	env.RegisterActivity(g.adapters())
	env.RegisterActivity(g.spend())
	register(env)
	return env
}

// spend is the activity that asks the ledger.
func (g *trainWorld) spend() func(context.Context, ingest.SpendInput) (video.Spend, error) {
	return (&ingest.Activities{Ledger: g.train.Ledger.(activities.Ledger)}).Spend
}

// answers makes an input with rows that contain a tag.
func answers(tag string) trainflow.Input {
	in := trainflow.Input{BaseModel: "tiny/llama", Name: "routing"}
	for i := range 120 {
		row := fmt.Sprintf(`{"prompt":"%s question %d","completion":"answer %d"}`, tag, i, i)
		in.Dataset.Rows = append(in.Dataset.Rows, json.RawMessage(row))
	}
	return in
}

// run trains and returns the result.
func (g *trainWorld) run(in trainflow.Input) (trainflow.Result, error) {
	env := g.environment()
	env.ExecuteWorkflow("TrainSFT", in)
	return trainResult(g.t, env)
}

func trainResult(t *testing.T, env *testsuite.TestWorkflowEnvironment) (trainflow.Result, error) {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	var out trainflow.Result
	if err := env.GetWorkflowError(); err != nil {
		return out, err
	}
	return out, env.GetWorkflowResult(&out)
}

// weights reads the published weights of a version.
func (g *trainWorld) weights(name string, version int) string {
	g.t.Helper()
	return g.object(training.AdapterPrefix(tenant.Default, name, version) + "adapter_model.safetensors")
}

func (g *trainWorld) object(key string) string {
	g.t.Helper()
	r, _, err := g.train.Store.Get(g.t.Context(), key)
	require.NoError(g.t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	require.NoError(g.t, err)
	return string(data)
}

// keys lists the objects below a prefix of the default tenant.
func (g *trainWorld) keys(prefix string) []string {
	g.t.Helper()
	var keys []string
	require.NoError(g.t, g.train.Store.List(g.t.Context(), "default/"+prefix, func(o object.Info) error {
		keys = append(keys, strings.TrimPrefix(o.Key, "default/"))
		return nil
	}))
	return keys
}

// modelServer is a model server that records what it serves.
type modelServer struct {
	dir  string
	mu   sync.Mutex
	said []string
}

func (s *modelServer) Serves(_ context.Context, base string) bool { return base == "tiny/llama" }
func (s *modelServer) Restarts(context.Context, string) bool      { return false }
func (s *modelServer) Dir(string) string                          { return s.dir }

func (s *modelServer) Load(_ context.Context, _, name, dir string, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, "load "+name)
	_, err := os.Stat(filepath.Join(dir, "adapter_config.json"))
	return err
}

func (s *modelServer) Unload(_ context.Context, _, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, "unload "+name)
	return nil
}

// hashTrainer trains a hash: each step hashes the state with the whole dataset,
// the seed and the product of micro-batch and accumulation.
type hashTrainer struct {
	steps     int
	saveEvery int
	fits      int  // micro-batch that the memory holds
	worse     bool // the trained model is not better than its base

	mu   sync.Mutex
	fail func(job training.Job, step int) error // asked after each step; nil = none fails
	step func(step int, stop <-chan struct{})   // told after each step; may block
	jobs []training.Job                         // that were run
	done int                                    // steps computed in all attempts
}

func (h *hashTrainer) attempts() []training.Job {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]training.Job(nil), h.jobs...)
}

func (h *hashTrainer) computed() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.done
}

func (h *hashTrainer) Run(_ context.Context, job training.Job, _ string, _ io.Writer, stop <-chan struct{}, on func(training.Event) error) error {
	h.mu.Lock()
	h.jobs = append(h.jobs, job)
	h.mu.Unlock()
	if job.MicroBatch > h.fits {
		return training.ErrOutOfMemory
	}
	s := &hashState{h: h, attempt: trainertest.Attempt{Job: job, On: on}}
	if err := s.load(); err != nil {
		return err
	}
	for !job.Finish && s.Step < h.steps {
		select {
		case <-stop:
			if err := s.attempt.Save(s.Step, s.State, s); err != nil {
				return err
			}
			return training.ErrStopped
		default:
		}
		if err := s.advance(stop); err != nil {
			return err
		}
		if h.fail != nil {
			if err := h.fail(job, s.Step); err != nil {
				return err
			}
		}
	}
	loss := trainertest.BetterLoss
	if h.worse {
		loss = trainertest.BaseLoss
	}
	return s.attempt.Finish(s.Step, s.State, loss)
}

type hashState struct {
	h       *hashTrainer
	attempt trainertest.Attempt
	Step    int
	State   string
}

func (s *hashState) load() error {
	if err := s.attempt.On(training.Event{Event: training.EventDevice, Device: "abacus", Versions: map[string]string{"abacus": "1"}}); err != nil {
		return err
	}
	if resumed, err := s.attempt.Resume(s); resumed {
		return err
	}
	return s.attempt.Evaluate(training.OfBase, 0, trainertest.BaseLoss)
}

func (s *hashState) advance(stop <-chan struct{}) error {
	job := s.attempt.Job
	rows, err := os.ReadFile(job.Train.Path)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d|%d", s.State, rows, job.Seed, job.MicroBatch*job.Accumulation))
	s.State = hex.EncodeToString(sum[:])
	s.Step++
	s.h.mu.Lock()
	s.h.done++
	step := s.h.step
	s.h.mu.Unlock()
	err = s.attempt.Stepped(s.Step, s.h.steps)
	if err == nil && s.Step%s.h.saveEvery == 0 && s.Step < s.h.steps {
		err = s.attempt.Save(s.Step, s.State, s)
	}
	if step != nil {
		step(s.Step, stop)
	}
	return err
}
