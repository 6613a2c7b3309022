package telemetry

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"github.com/cogniverse/cogflow/activities/frames"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/video"
)

// work counts what activities do, by their results and heartbeats, which it does not change.
type work struct {
	interceptor.ClientInterceptorBase
	interceptor.WorkerInterceptorBase
	frames metric.Int64Counter

	mu   sync.Mutex
	runs map[string]saved // running training, by its task token
}

// saved is the last checkpoint of a run that this process has seen stored, or its start.
type saved struct {
	step  int
	since time.Time
}

// activities makes the interceptor with its metrics.
func (s *Server) activities() (*work, error) {
	w, m := &work{runs: map[string]saved{}}, s.meter()
	var err error
	w.frames, err = m.Int64Counter("cogflow.frames", metric.WithDescription("Frames of finished activities, by stage; those of repeated activities count again."))
	if err != nil {
		return nil, err
	}
	_, err = m.Float64ObservableGauge("cogflow.checkpoint.age", metric.WithUnit("s"),
		metric.WithDescription("Seconds since the last stored checkpoint of the training run that has waited longest for one, or since its attempt began; absent while nothing is trained."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			if since, ok := w.oldest(); ok {
				o.Observe(time.Since(since).Seconds())
			}
			return nil
		}))
	return w, err
}

func (w *work) oldest() (since time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.runs {
		if !ok || r.since.Before(since) {
			since, ok = r.since, true
		}
	}
	return since, ok
}

// InterceptActivity is called by the SDK.
func (w *work) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &inbound{interceptor.ActivityInboundInterceptorBase{Next: next}, w}
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
	w *work
}

// Init implements interceptor.ActivityInboundInterceptor.
func (i *inbound) Init(out interceptor.ActivityOutboundInterceptor) error {
	return i.Next.Init(&outbound{interceptor.ActivityOutboundInterceptorBase{Next: out}, i.w})
}

// stages are the activities whose frames are counted.
func stage(kind string) string {
	switch kind {
	case "Extract", "DescribeChunk", "EmbedChunk", "IndexChunks":
		return strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(kind, "Chunks"), "Chunk"))
	case "DescribeBatch":
		return "describe"
	default:
		return ""
	}
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (i *inbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	token := string(activity.GetInfo(ctx).TaskToken)
	defer i.w.end(token)
	result, err := i.Next.ExecuteActivity(ctx, in)
	if of := stage(activity.GetInfo(ctx).ActivityType.Name); err == nil && of != "" {
		i.w.frames.Add(ctx, framesOf(result), metric.WithAttributes(attribute.String("stage", of)))
	}
	return result, err
}

func framesOf(result any) int64 {
	switch r := result.(type) {
	case ingest.ChunkResult:
		return int64(r.Frames)
	case frames.ChunkResult:
		return int64(r.Frames)
	case video.Extraction:
		return int64(r.Frames)
	default:
		return 0
	}
}

func (w *work) end(token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.runs, token)
}

type outbound struct {
	interceptor.ActivityOutboundInterceptorBase
	w *work
}

// RecordHeartbeat implements interceptor.ActivityOutboundInterceptor.
func (o *outbound) RecordHeartbeat(ctx context.Context, details ...any) {
	if len(details) > 0 {
		if p, ok := details[0].(train.Pulse); ok {
			o.w.beat(string(o.GetInfo(ctx).TaskToken), p.Report.Checkpoint, time.Now())
		}
	}
	o.Next.RecordHeartbeat(ctx, details...)
}

func (w *work) beat(token string, checkpoint int, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, known := w.runs[token]; !known || r.step != checkpoint {
		w.runs[token] = saved{checkpoint, now}
	}
}
