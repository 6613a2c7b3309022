package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const (
	waitLimit = 10 * time.Second
	tick      = time.Millisecond
)

// lifecycleTest runs one activity under the interceptors of a worker.
type lifecycleTest struct {
	t     *testing.T
	env   *testsuite.TestActivityEnvironment
	stop  chan struct{} // closed = the worker drains
	beats chan any      // details of heartbeats, if the test waits for them
}

func newLifecycleTest(t *testing.T, grace time.Duration) *lifecycleTest {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	l := &lifecycleTest{t: t, env: suite.NewTestActivityEnvironment(), stop: make(chan struct{}), beats: make(chan any)}
	l.env.SetExecuteActivitiesInWorkflow(true)
	l.env.SetTestTimeout(time.Minute)
	l.env.SetWorkerStopChannel(l.stop)
	l.env.SetWorkerOptions(worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{&activities.Errors{}, &activities.Lifecycle{Grace: grace, Every: tick}, &heartbeatLog{beats: l.beats}},
	})
	return l
}

// heartbeatLog records all heartbeats before the SDK throttles them.
type heartbeatLog struct {
	interceptor.WorkerInterceptorBase
	beats chan<- any
}

func (h *heartbeatLog) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &heardInbound{interceptor.ActivityInboundInterceptorBase{Next: next}, h.beats}
}

type heardInbound struct {
	interceptor.ActivityInboundInterceptorBase
	beats chan<- any
}

func (h *heardInbound) Init(out interceptor.ActivityOutboundInterceptor) error {
	return h.Next.Init(&heardOutbound{interceptor.ActivityOutboundInterceptorBase{Next: out}, h.beats})
}

type heardOutbound struct {
	interceptor.ActivityOutboundInterceptorBase
	beats chan<- any
}

func (h *heardOutbound) RecordHeartbeat(ctx context.Context, details ...any) {
	h.Next.RecordHeartbeat(ctx, details...)
	var said any
	if len(details) > 0 {
		said = details[0]
	}
	select {
	case h.beats <- said:
	default:
	}
}

// heartbeats waits for n heartbeats.
func (l *lifecycleTest) heartbeats(n int) {
	for range n {
		select {
		case <-l.beats:
		case <-time.After(waitLimit):
			l.t.Error("no heartbeat")
			return
		}
	}
}

// slowWorld is a video whose parts come only as heartbeats go out.
type slowWorld struct {
	*lifecycleTest
	Sources
	file string
	seen map[string]int // heartbeats waited for, by what waited
}

func (s *slowWorld) Open(context.Context, tenant.ID, string) (*os.File, string, error) {
	s.wait("open")
	file, err := os.Open(s.file)
	return file, "slow.mp4", err
}

func (s *slowWorld) Reopen(ctx context.Context, t tenant.ID, uri string, _ video.ID) (*os.File, string, error) {
	return s.Open(ctx, t, uri)
}

func (s *slowWorld) Version(context.Context, tenant.ID, string) (video.FileVersion, string, error) {
	return video.FileVersion{}, "slow.mp4", nil
}

func (s *slowWorld) Beside(context.Context, tenant.ID, string) (string, []video.Neighbour, error) {
	return "slow.mp4", nil, nil
}

func (s *slowWorld) Keep(tenant.ID, string, video.ID, *os.File) {}

func (s *slowWorld) Probe(context.Context, *os.File) (video.Media, error) {
	s.wait("probe")
	return video.Media{Width: 2, Height: 2, FPS: 1, DurationMS: 1000}, nil
}

func (s *slowWorld) Extract(_ context.Context, _ *os.File, dir string, _ video.Sampling,
	emit func(video.Picture) error, _ func(int64),
) (video.Extraction, error) {
	if err := os.WriteFile(filepath.Join(dir, "audio-000000.flac"), []byte("sound"), 0o600); err != nil {
		return video.Extraction{}, err
	}
	return video.Extraction{}, emit(video.Picture{Frame: video.Frame{SHA256: "x"}, JPEG: []byte("jpeg")})
}

// slowStore is the store of slowWorld.
type slowStore struct {
	activities.Store
	w *slowWorld
}

func (s slowStore) Put(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	if strings.HasSuffix(key, ".flac") {
		s.w.wait("sound")
	}
	return s.Store.Put(ctx, key, r)
}

func (s slowStore) Create(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	s.w.wait("manifest")
	return s.Store.Create(ctx, key, r)
}

func (s *slowWorld) wait(what string) {
	const some = 3
	s.heartbeats(some)
	s.seen[what] += some
}

// TestHeartbeatsCoverExtraction: heartbeats go out while the source is fetched,
// before anything is decoded, and while sound and manifest are stored, after it.
func TestHeartbeatsCoverExtraction(t *testing.T) {
	t.Parallel()
	l := newLifecycleTest(t, 0)
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	w := &slowWorld{lifecycleTest: l, file: filepath.Join(t.TempDir(), "slow.mp4"), seen: map[string]int{}}
	require.NoError(t, os.WriteFile(w.file, []byte("a video"), 0o600))
	a := &Activities{Store: slowStore{store, w}, Sources: w, Media: w, Runs: alone{}, Scratch: t.TempDir()}
	p := video.LocalPreview().Pinned()
	recipe := storeRecipe(t, store, p)
	l.env.RegisterActivity(a.Inspect)
	l.env.RegisterActivity(a.Extract)

	value, err := l.env.ExecuteActivity(a.Inspect, InspectInput{Tenant: "default", URI: "slow.mp4"})
	require.NoError(t, err)
	var source video.Source
	require.NoError(t, value.Get(&source))
	_, err = l.env.ExecuteActivity(a.Extract, ExtractInput{
		VideoRef: VideoRef{Tenant: "default", Video: source.Video, Recipe: recipe}, URI: "slow.mp4",
	})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"open": 6, "probe": 3, "sound": 3, "manifest": 3}, w.seen)
}

// TestFormerDetailsAreKept: until an attempt sets its heartbeat details, its heartbeats carry the
// details of the previous attempt, also if it fails at once.
func TestFormerDetailsAreKept(t *testing.T) {
	t.Parallel()
	l := newLifecycleTest(t, 0)
	l.env.SetHeartbeatDetails(map[string]int{"step": 7})
	says := func() (step int) {
		details, err := converter.GetDefaultDataConverter().ToPayload(<-l.beats)
		require.NoError(t, err)
		var d map[string]int
		require.NoError(t, converter.GetDefaultDataConverter().FromPayload(details, &d))
		return d["step"]
	}
	var former, own int
	l.env.RegisterActivityWithOptions(func(ctx context.Context) error {
		former = says()
		activities.HeartbeatDetails(ctx, func() any { return map[string]int{"step": 8} })
		own = says()
		for own == 7 { // one may have been on its way
			own = says()
		}
		return errors.New("failed")
	}, activity.RegisterOptions{Name: "Step"})
	_, err := l.env.ExecuteActivity("Step")
	require.ErrorContains(t, err, "failed")
	require.Equal(t, 7, former)
	require.Equal(t, 8, own)
}

// alone is a server on which no other workflow runs.
type alone struct{}

func (alone) VideoTenant(context.Context, string, string) (tenant.ID, error) { return "", nil }
func (alone) Running(context.Context, string, string) (bool, error)          { return false, nil }
func (alone) ChainRunning(context.Context, string, string) (bool, error)     { return false, nil }
func (alone) Signal(context.Context, string, string, string, any) error      { return nil }

func storeRecipe(t *testing.T, s activities.Store, p video.Profile) video.Fingerprint {
	t.Helper()
	f := video.NewFingerprint("recipe", p.Name)
	require.NoError(t, activities.WriteJSON(t.Context(), s, video.RecipeKey("default", f), p))
	return f
}

// slowModel answers when it is released.
type slowModel struct {
	begun  atomic.Int32
	answer chan struct{}
}

func (m *slowModel) Limit(string) int { return 2 }

func (m *slowModel) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	m.begun.Add(1)
	select {
	case <-m.answer:
		return video.Caption{Text: "what " + string(r.JPEG) + " shows", Model: r.Stage.Model}, nil
	case <-ctx.Done():
		return video.Caption{}, fault.Wrap(fault.Transport, "describe with", r.Stage.Model, ctx.Err())
	}
}

// describing prepares a chunk of frames that a slow model describes.
func describing(t *testing.T, l *lifecycleTest, frames int) (*Activities, *slowModel, ChunkInput) {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	calls, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, calls.Close()) })
	m := &slowModel{answer: make(chan struct{})}
	a := &Activities{Store: store, Ledger: calls, Broker: broker.New(broker.Options{Ledger: calls}), Describer: m, Runs: alone{}}
	p := video.LocalPreview()
	in := ChunkInput{VideoRef: VideoRef{Tenant: "default", Video: "v", Recipe: storeRecipe(t, store, p)}, Job: "job"}
	prefix := video.FramesPrefix("default", "v", p.ExtractFingerprint("v"))
	var chunk video.Chunk
	for i := range frames {
		f := video.Frame{PTSMS: int64(i), SHA256: fmt.Sprint("frame-", i)}
		chunk.Frames = append(chunk.Frames, f)
		_, err := store.Put(t.Context(), video.FrameKey(prefix, f), bytes.NewReader([]byte(f.SHA256)))
		require.NoError(t, err)
	}
	require.NoError(t, activities.WriteJSON(t.Context(), store, video.ChunkKey(prefix, 0), chunk))
	l.env.RegisterActivity(a.DescribeChunk)
	return a, m, in
}

// TestDrainBeginsNoCall: a draining worker starts no calls. Calls in flight can end within the
// grace period, with heartbeats.
func TestDrainBeginsNoCall(t *testing.T) {
	t.Parallel()
	l := newLifecycleTest(t, time.Minute)
	a, m, in := describing(t, l, 8)
	failed := make(chan error)
	go func() { _, err := l.env.ExecuteActivity(a.DescribeChunk, in); failed <- err }()
	require.Eventually(t, func() bool { return m.begun.Load() == 2 }, waitLimit, tick)
	close(l.stop)
	l.heartbeats(10)
	close(m.answer)
	err := <-failed
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok, err)
	require.Equal(t, string(fault.Preempted), app.Type())
	require.EqualValues(t, 2, m.begun.Load(), "no call starts while the worker drains")
	spend, err := a.Ledger.Job(t.Context(), "default", "job")
	require.NoError(t, err)
	require.Equal(t, 2, spend.Calls, "answers of calls in flight are stored")
	require.Zero(t, spend.Repeated)
}

// TestDrainEnds: an activity that exceeds the grace period is cancelled and reported as
// preempted.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	l := newLifecycleTest(t, tick)
	a, m, in := describing(t, l, 1)
	failed := make(chan error)
	go func() { _, err := l.env.ExecuteActivity(a.DescribeChunk, in); failed <- err }()
	require.Eventually(t, func() bool { return m.begun.Load() == 1 }, waitLimit, tick)
	close(l.stop)
	app, ok := errors.AsType[*temporal.ApplicationError](<-failed)
	require.True(t, ok)
	require.Equal(t, string(fault.Preempted), app.Type())
}
