package explain_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/waits"
	"github.com/cogniverse/cogflow/workflows"
)

// script is the input of a workflow that plays one situation under the name of a real one.
type script struct {
	Progress  map[string]any    `json:"progress,omitempty"` // its answer to the progress query
	Steps     []scripted        `json:"steps,omitempty"`
	Children  map[string]script `json:"children,omitempty"` // by workflow id
	Ends      string            `json:"ends,omitempty"`     // done, fail or panic; empty = it goes on
	GPU       []string          `json:"gpu,omitempty"`
	BudgetUSD float64           `json:"budget_usd,omitempty"`
}

// scripted is an activity.
type scripted struct {
	Name    string        `json:"name"`
	Queue   string        `json:"queue"`
	Does    string        `json:"does"`
	ToStart time.Duration `json:"to_start,omitempty"`
	Beat    time.Duration `json:"beat,omitempty"` // heartbeat timeout; 0 = a minute
}

func play(ctx workflow.Context, in script) error {
	progress := in.Progress
	if progress == nil {
		progress = map[string]any{}
	}
	if err := workflow.SetQueryHandler(ctx, workflows.QueryProgress, func() (map[string]any, error) { return progress, nil }); err != nil {
		return err
	}
	switch in.Ends {
	case "done":
		return nil
	case "fail":
		return temporal.NewNonRetryableApplicationError("line 3 is not JSON", "input", nil)
	case "panic":
		panic("a mistake in the code")
	}
	for _, s := range in.Steps {
		beat := s.Beat
		if beat == 0 {
			beat = time.Minute
		}
		workflow.Go(ctx, func(ctx workflow.Context) {
			err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
				TaskQueue: s.Queue, StartToCloseTimeout: time.Hour, ScheduleToStartTimeout: s.ToStart, HeartbeatTimeout: beat, WaitForCancellation: true,
				RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Hour},
			}), s.Name, s.Does).Get(ctx, nil)
			if workflows.ClassOf(err) == string(fault.Budget) {
				progress["waiting"] = "budget"
			}
		})
	}
	for _, id := range workflow.DeterministicKeys(in.Children) {
		workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id, WaitForCancellation: true}), "IngestVideo", in.Children[id])
	}
	return workflow.Await(ctx, func() bool { return false })
}

// scene is a server with workers that play situations.
type scene struct {
	*clitest.Bench
	claims  activities.Claims
	brokers [2]*broker.Brokers // of two processes
	release chan struct{}      // closed at the end
}

func newScene(t *testing.T, b *clitest.Bench) *scene {
	t.Helper()
	s := &scene{Bench: b, claims: activities.Claims{Store: b.Store(), Runs: openRuns{}, What: "video"}, release: make(chan struct{})}
	for i := range s.brokers {
		l, err := ledger.Open(filepath.Join(b.Dir, "ledger.db"))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, l.Close()) })
		s.brokers[i] = broker.New(broker.Options{Ledger: l})
	}
	// Another library is at the same video.
	require.NoError(t, activities.CreateJSON(t.Context(), b.Store(), claimed, video.Claim{Workflow: "library/7", Run: "run", Number: 1}))
	return s
}

// serve starts a worker process of its own, which reports often. It ends by stop at the latest.
func (s *scene) serve(t *testing.T, queue string, slots int, grace time.Duration) (stop func()) {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{HostPort: s.Address(), WorkerHeartbeatInterval: time.Second, Identity: "1@" + queue + "@"})
	require.NoError(t, err)
	w := worker.New(c, queue, worker.Options{
		MaxConcurrentActivityExecutionSize: slots, DisableWorkflowWorker: queue != workflows.QueueMain, WorkerStopTimeout: grace + time.Second,
		MaxHeartbeatThrottleInterval: 200 * time.Millisecond, DefaultHeartbeatThrottleInterval: 200 * time.Millisecond,
		Interceptors:      []interceptor.WorkerInterceptor{&activities.Errors{}, &activities.Lifecycle{Grace: grace, Every: 100 * time.Millisecond}},
		DeploymentOptions: worker.DeploymentOptions{Version: worker.WorkerDeploymentVersion{DeploymentName: "cogflow", BuildID: "v1.2.3"}},
	})
	if queue == workflows.QueueMain {
		for _, name := range []string{"IngestLibrary", "IngestVideo", "TrainSFT", "OptimizePrompts"} {
			w.RegisterWorkflowWithOptions(play, workflow.RegisterOptions{Name: name})
		}
	}
	for _, name := range []string{"DescribeChunk", "RunTraining", "Claim"} {
		w.RegisterActivityWithOptions(s.act, activity.RegisterOptions{Name: name})
	}
	require.NoError(t, w.Start())
	stop = sync.OnceFunc(w.Stop)
	t.Cleanup(func() {
		stop()
		c.Close()
	})
	return stop
}

// start begins a run of a real type.
func (s *scene) start(t *testing.T, id, kind string, in script, o client.StartWorkflowOptions) {
	t.Helper()
	o.ID = id
	if o.TaskQueue == "" {
		o.TaskQueue = workflows.QueueMain
	}
	_, err := s.Client.ExecuteWorkflow(t.Context(), o, kind, in)
	require.NoError(t, err)
}

// claimed is the key of a claim.
const claimed = "default/claim.json"

// act does what the script says.
func (s *scene) act(ctx context.Context, does string) error {
	switch does {
	case "runs":
		return s.block(ctx)
	case "fails":
		return fault.New(fault.Transport, "read frames", "a.mp4", "connection reset")
	case "disk full":
		return &fault.Error{Class: fault.Capacity, Op: "write", Subject: "/data", Reason: "disk full; make room", RetryAfter: time.Hour}
	case "another build":
		return activities.Elsewhere("read frames", "a.mp4", "ffmpeg 7")
	case "claims":
		if _, err := s.claims.Take(ctx, claimed); err != nil {
			return err
		}
		return s.block(ctx)
	case "needs a GPU":
		defer activities.Wait(ctx, waits.Reason{Code: waits.GPU, Text: "other work holds all GPUs of this worker"})()
		return s.block(ctx)
	default:
		return s.ask(ctx, does)
	}
}

func (s *scene) block(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.release:
		return nil
	}
}

type limit int

func (l limit) Limit(string) int { return int(l) }

// ask makes calls through a real broker and a real ledger to an endpoint that behaves as does says.
func (s *scene) ask(ctx context.Context, does string) error {
	id := activity.GetInfo(ctx).WorkflowExecution.ID
	b, slots, payer := s.brokers[0], limit(4), activities.Payer{Tenant: tenant.Default, Job: id}
	q := activities.Question{Cost: 80, Stored: func(context.Context) (bool, error) { return false, nil }}
	store := func(context.Context) error { return nil }
	var refusal error // of each call; nil = it is answered at the end
	answer := func(ctx context.Context) (video.PaidAnswer, error) {
		if refusal == nil && does != "is not stored" {
			return video.PaidAnswer{Store: store}, s.block(ctx)
		}
		return video.PaidAnswer{Store: store}, refusal
	}
	names := []string{"one", "two", "three"}
	switch does {
	case "limits the rate":
		refusal = &fault.Error{Class: fault.Overload, Op: "describe", Reason: "429 too many requests", RetryAfter: time.Hour}
	case "is down":
		refusal = &fault.Error{Class: fault.Overload, Op: "describe", Reason: "connection refused", Err: circuit.ErrOpen}
	case "has no price":
		q.Unpriced, payer.LimitMicroUSD = true, 1000
	case "reserves all":
		payer.LimitMicroUSD = 100
	case "takes few calls":
		slots = 1
	case "is asked elsewhere", "is asked elsewhere too":
		if names = names[:1]; does == "is asked elsewhere too" {
			does, b = "is asked elsewhere", s.brokers[1]
		}
	case "is not stored":
		store = func(context.Context) error { return fault.New(fault.Capacity, "write object", "", "disk full") }
	}
	m := &activities.ModelStage{Broker: b, Payer: payer, Kind: "describe", Stage: video.Stage{Model: does}, Limits: slots}
	q.Prepare = func(context.Context) (video.Ask, error) { return answer, nil }
	errs := make(chan error, len(names))
	for _, name := range names {
		go func() {
			one := q
			one.Fingerprint = video.NewFingerprint(does, name)
			_, err := m.Answered(ctx, one)
			errs <- err
		}()
	}
	var all []error
	for range names {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// openRuns has only runs that are open.
type openRuns struct{}

func (openRuns) Running(context.Context, string, string) (bool, error)      { return true, nil }
func (openRuns) ChainRunning(context.Context, string, string) (bool, error) { return true, nil }
func (openRuns) VideoTenant(context.Context, string, string) (tenant.ID, error) {
	return "", nil
}
func (openRuns) Signal(context.Context, string, string, string, any) error { return nil }

// registerHang registers an activity without heartbeats: for the server, its worker is dead.
func registerHang(w worker.Worker, s *scene) {
	w.RegisterActivityWithOptions(func(ctx context.Context, _ string) error { return s.block(ctx) }, activity.RegisterOptions{Name: "Hang"})
}
