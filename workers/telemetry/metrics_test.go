package telemetry_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/telemetry"
)

// values are the values of a metric by its labels, as "label=value label=value".
func values(f *dto.MetricFamily) map[string]float64 {
	out := map[string]float64{}
	for _, m := range f.GetMetric() {
		name := ""
		for _, l := range m.Label {
			if l.GetValue() != "" {
				name += l.GetName() + "=" + l.GetValue() + " "
			}
		}
		out[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	return out
}

// TestBudgets: budgets are shown as they were last read, those with the least left first.
func TestBudgets(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{})
	all := []money.Standing{
		{Budget: money.Budget{Scope: money.Scope{Tenant: "uni:a", Model: "m"}, Period: money.Day, MicroUSD: 5_000_000}, Settled: 1_000_000, Reserved: 500_000},
		{Budget: money.Budget{Scope: money.Scope{Org: "uni"}, Period: money.Total, MicroUSD: 1_000_000, Soft: true}, Settled: 3_000_000},
	}
	var failure error
	require.NoError(t, s.Budgets(func() ([]money.Standing, time.Time, error) { return all, time.Now().Add(-time.Minute), failure }))
	got := scrape(t, s)
	require.Equal(t, map[string]float64{"kind=hard model=m period=day tenant=uni:a ": 3.5, "kind=soft org=uni period=total ": 0}, values(got["cogflow_budget_left_usd"]))
	require.Equal(t, map[string]float64{"kind=hard model=m period=day tenant=uni:a ": 5, "kind=soft org=uni period=total ": 1}, values(got["cogflow_budget_limit_usd"]))
	require.Zero(t, values(got["cogflow_budget_read_failed"])[""])
	require.InDelta(t, 60, values(got["cogflow_budget_read_age_seconds"])[""], 50)

	failure = errors.New("the ledger is down")
	for range 150 {
		all = append(all, money.Standing{Budget: money.Budget{Scope: money.Scope{Tenant: "t" + time.Duration(len(all)).String()}, Period: money.Month, MicroUSD: 1}})
	}
	got = scrape(t, s)
	left := values(got["cogflow_budget_left_usd"])
	require.Len(t, left, 100)
	require.Contains(t, left, "kind=hard model=m period=day tenant=uni:a ", "those with the least left stay")
	require.InDelta(t, 52, values(got["cogflow_budgets_hidden"])[""], 0)
	require.InDelta(t, 1, values(got["cogflow_budget_read_failed"])[""], 0)
}

// TestTokens: tokens are those that were said at the first settlement.
func TestTokens(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{})
	l, err := s.Counted(ledger{})
	require.NoError(t, err)
	_, err = l.TryReserve(t.Context(), video.Call{Kind: "complete", Model: "m", Fingerprint: "a"}, 0)
	require.NoError(t, err)
	for range 2 {
		_, err = l.Settle(t.Context(), "a", money.Booking{Outcome: money.Answered, Used: money.Used{InputTokens: 9, CachedTokens: 4, OutputTokens: 3}})
		require.NoError(t, err)
	}
	require.Equal(t, map[string]float64{"kind=complete model=m type=input ": 9, "kind=complete model=m type=cached ": 4, "kind=complete model=m type=output ": 3},
		values(scrape(t, s)["cogflow_tokens_total"]))
}

type gpuLedger struct{ ledger }

func (gpuLedger) Reserve(ctx context.Context, c video.Call, limit int64) (money.Reservation, error) {
	return ledger{}.TryReserve(ctx, c, limit)
}
func (gpuLedger) End(context.Context, int64, bool, int64) error { return nil }
func (gpuLedger) Held(context.Context, tenant.ID, string, string, int64) (int64, time.Time, bool, error) {
	return 0, time.Time{}, false, nil
}

func (gpuLedger) Spent(context.Context, tenant.ID, string, string) (int64, error) { return 0, nil }

func (gpuLedger) Job(context.Context, tenant.ID, string) (s video.Spend, err error) { return s, nil }

type table struct{}

func (table) Total() int   { return 8 }
func (table) Free() int    { return 3 }
func (table) Waiting() int { return 2 }

func TestGPUs(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{})
	require.NoError(t, s.Leases(table{}))
	l, err := s.CountedGPU(gpuLedger{})
	require.NoError(t, err)
	_, err = l.Reserve(t.Context(), video.Call{Fingerprint: "a", Model: "base on h100", GPU: "h100", CostMicroUSD: 9}, 0)
	require.NoError(t, err)
	_, err = l.Settle(t.Context(), "a", money.Booking{Outcome: money.Answered, MicroUSD: 2_000_000, Used: money.Used{GPUMS: 10_500}})
	require.NoError(t, err)
	got := scrape(t, s)
	require.Equal(t, map[string]float64{"state=leased ": 5, "state=not_leased ": 3, "state=waited_for ": 2}, values(got["cogflow_gpus"]))
	require.Equal(t, map[string]float64{"class=h100 ": 10.5}, values(got["cogflow_gpu_seconds_total"]))
	require.Equal(t, map[string]float64{"class=h100 ": 2}, values(got["cogflow_gpu_cost_usd_total"]))
}

// server answers for queues.
type server struct {
	workflowservice.WorkflowServiceClient
	asked chan string
	dead  bool
}

func (s *server) DescribeTaskQueue(ctx context.Context, r *workflowservice.DescribeTaskQueueRequest, _ ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error) {
	if s.dead {
		s.asked <- r.TaskQueue.Name
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &workflowservice.DescribeTaskQueueResponse{Stats: &taskqueue.TaskQueueStats{
		ApproximateBacklogCount: 2, ApproximateBacklogAge: durationpb.New(time.Duration(len(r.TaskQueue.Name)) * time.Second),
	}}, nil
}

func TestQueues(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{})
	require.NoError(t, s.Queues(telemetry.Service{WorkflowServiceClient: &server{}}, []string{"media", "describe-l40s"}))
	require.Eventually(t, func() bool { return len(values(scrape(t, s)["cogflow_queue_age_seconds"])) == 2 }, time.Minute, time.Millisecond)
	got := scrape(t, s)
	require.Equal(t, map[string]float64{"queue=media ": 5, "queue=describe-l40s ": 13}, values(got["cogflow_queue_age_seconds"]))
	require.Equal(t, map[string]float64{"queue=media ": 4, "queue=describe-l40s ": 4}, values(got["cogflow_queue_backlog"]), "workflow and activity tasks")
}

// TestDeadServer: a scrape answers although the server does not.
func TestDeadServer(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{})
	dead := &server{asked: make(chan string), dead: true}
	require.NoError(t, s.Queues(telemetry.Service{WorkflowServiceClient: dead}, []string{"media"}))
	<-dead.asked // and it does not answer
	got := scrape(t, s)
	require.Contains(t, got, "cogflow_queue_read_failed")
	require.NotContains(t, got, "cogflow_queue_age_seconds")
}

// TestActivities: frames are counted by stage, of activities that succeed, and the age of a
// checkpoint is that of the run while it is trained.
func TestActivities(t *testing.T) {
	t.Parallel()
	var o client.Options
	s, err := telemetry.Open(telemetry.Options{Log: slog.New(slog.DiscardHandler)}, &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{o.Interceptors[0].(interceptor.WorkerInterceptor)}})
	register := func(name string, f any) { env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name}) }
	register("Extract", func(context.Context) (video.Extraction, error) { return video.Extraction{Frames: 100}, nil })
	register("DescribeChunk", func(_ context.Context, fails bool) (ingest.ChunkResult, error) {
		if fails {
			return ingest.ChunkResult{Frames: 64}, errors.New("no")
		}
		return ingest.ChunkResult{Frames: 64}, nil
	})
	register("RunTraining", func(ctx context.Context) error {
		activity.RecordHeartbeat(ctx, train.Pulse{Report: train.Report{Checkpoint: 5}})
		require.Less(t, values(scrape(t, s)["cogflow_checkpoint_age_seconds"])[""], 3600.0)
		require.Len(t, scrape(t, s)["cogflow_checkpoint_age_seconds"].Metric, 1)
		return nil
	})
	run := func(name string, args ...any) { _, _ = env.ExecuteActivity(name, args...) }
	run("Extract")
	run("DescribeChunk", false)
	run("DescribeChunk", false)
	run("DescribeChunk", true)
	run("RunTraining")
	got := scrape(t, s)
	require.Equal(t, map[string]float64{"stage=extract ": 100, "stage=describe ": 128}, values(got["cogflow_frames_total"]))
	require.NotContains(t, got, "cogflow_checkpoint_age_seconds", "nothing is trained any more")
}
