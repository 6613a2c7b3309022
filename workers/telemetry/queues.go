package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
)

const (
	queuesEvery = 15 * time.Second
	queueFor    = 5 * time.Second // one question to the server
)

// backlog is what waits in a queue.
type backlog struct {
	tasks  int64
	oldest time.Duration
}

// queues is what was last read of the queues of this process. A scrape does not ask the server.
type queues struct {
	mu     sync.Mutex
	by     map[string]backlog
	failed bool
}

// Service asks a server for the backlog of a queue.
type Service struct {
	workflowservice.WorkflowServiceClient
	Namespace string
}

func (s Service) backlog(ctx context.Context, queue string) (b backlog, err error) {
	for _, kind := range []enums.TaskQueueType{enums.TASK_QUEUE_TYPE_WORKFLOW, enums.TASK_QUEUE_TYPE_ACTIVITY} {
		limited, cancel := context.WithTimeout(ctx, queueFor)
		r, err := s.DescribeTaskQueue(limited, &workflowservice.DescribeTaskQueueRequest{
			Namespace: s.Namespace, TaskQueue: &taskqueue.TaskQueue{Name: queue}, TaskQueueType: kind, ReportStats: true,
		})
		cancel()
		if err != nil {
			return b, err
		}
		if n := r.GetStats().GetApproximateBacklogCount(); n > 0 {
			b.tasks += n
			b.oldest = max(b.oldest, r.GetStats().GetApproximateBacklogAge().AsDuration())
		}
	}
	return b, nil
}

// Queues shows what waits in queues, until the server is closed. A nil server does nothing.
func (s *Server) Queues(of Service, names []string) error {
	if s == nil || s.provider == nil {
		return nil
	}
	q, m := &queues{by: map[string]backlog{}}, s.meter()
	tasks, err := m.Int64ObservableGauge("cogflow.queue.backlog", metric.WithDescription("Tasks that wait in a queue of this process, on the server."))
	if err != nil {
		return err
	}
	age, err := m.Float64ObservableGauge("cogflow.queue.age", metric.WithUnit("s"), metric.WithDescription("Age of the oldest task that waits in a queue of this process."))
	if err != nil {
		return err
	}
	failed, err := m.Int64ObservableGauge("cogflow.queue.read.failed", metric.WithDescription("1 if the server could not be asked the last time; the queues are then as they were before."))
	if err != nil {
		return err
	}
	if _, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		q.mu.Lock()
		defer q.mu.Unlock()
		for name, b := range q.by {
			of := metric.WithAttributes(attribute.String("queue", name))
			o.ObserveInt64(tasks, b.tasks, of)
			o.ObserveFloat64(age, b.oldest.Seconds(), of)
		}
		o.ObserveInt64(failed, map[bool]int64{true: 1}[q.failed])
		return nil
	}, tasks, age, failed); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stops = append(s.stops, stop)
	s.work.Go(func() error { return q.watch(ctx, of, names) })
	return nil
}

func (q *queues) watch(ctx context.Context, of Service, names []string) error {
	tick := time.NewTicker(queuesEvery)
	defer tick.Stop()
	for {
		failed := false
		for _, name := range names {
			b, err := of.backlog(ctx, name)
			if failed = failed || err != nil; err == nil {
				q.mu.Lock()
				q.by[name] = b
				q.mu.Unlock()
			}
		}
		q.mu.Lock()
		q.failed = failed
		q.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
