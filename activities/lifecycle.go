package activities

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video/waits"
)

// Interceptors are the interceptors of a worker, the outermost first. grace is how long a
// running activity may continue after the worker was asked to stop (0 = ShortGrace), and bound
// shortens it when the worker stops (nil = not). The worker's WorkerStopTimeout must be longer, so
// that the outcome is reported.
func Interceptors(grace time.Duration, bound func(time.Duration) time.Duration) []interceptor.WorkerInterceptor {
	return []interceptor.WorkerInterceptor{&Errors{}, &Tenants{}, &Lifecycle{Grace: grace, Bound: bound}}
}

// Lifecycle is the interceptor that sends the heartbeats of every activity from start to
// end, and ends activities when their worker stops. Activities do not send heartbeats
// themselves; they set the details with HeartbeatDetails.
//
// A heartbeat says that the process lives, not that the activity makes progress.
// StartToCloseTimeout ends an activity that hangs.
type Lifecycle struct {
	interceptor.WorkerInterceptorBase
	Grace time.Duration                     // 0 = ShortGrace
	Bound func(time.Duration) time.Duration // shortens the grace when the worker stops; nil = not
	Every time.Duration                     // between two heartbeats; 0 = a second
}

// ShortGrace is the grace of activities that pay for nothing: enough for a short one to
// finish. Long ones are retried from what they have stored.
const ShortGrace = 5 * time.Second

// InterceptActivity is called by the SDK for each activity.
func (l *Lifecycle) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &lifecycle{
		interceptor.ActivityInboundInterceptorBase{Next: next}, cmp.Or(l.Grace, ShortGrace), cmp.Or(l.Every, heartbeatEvery), l.Bound,
	}
}

type lifecycle struct {
	interceptor.ActivityInboundInterceptorBase
	grace, every time.Duration
	bound        func(time.Duration) time.Duration
}

// ErrStopping ends an activity whose worker stops.
var ErrStopping = &fault.Error{
	Class: fault.Preempted, Op: "run activity", Reason: "the worker is stopping; another continues from what is stored",
}

func (l *lifecycle) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	pulse := newPulse(ctx, l.every)
	inner, cancel := context.WithCancelCause(context.WithValue(ctx, pulseKey{}, pulse))
	defer cancel(nil)
	fail := func(err error) {
		if err != nil {
			cancel(err)
		}
	}
	panics.Go(func() error { l.cancelOnStop(inner, cancel); return nil }, fail)
	stop := pulse.start(fail)
	defer stop()
	out, err := l.Next.ExecuteActivity(inner, in)
	if err == nil {
		return out, nil
	}
	cause := context.Cause(inner)
	if _, panicked := errors.AsType[*panics.Error](cause); panicked {
		return nil, cause
	}
	if errors.Is(cause, ErrStopping) || ctx.Err() == nil && Stopping(ctx) && errors.Is(err, context.Canceled) {
		err = ErrStopping
	}
	if ctx.Err() == nil {
		pulse.last() // what the next attempt continues from
	}
	return nil, err
}

// cancelOnStop ends an activity that outlasts the grace, so that another worker retries it
// at once instead of after the heartbeat timeout.
func (l *lifecycle) cancelOnStop(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
		return
	case <-activity.GetWorkerStopChannel(ctx):
	}
	grace := l.grace
	if l.bound != nil {
		grace = l.bound(grace)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		cancel(ErrStopping)
	}
}

// Stopped reports whether a failure is ErrStopping, as the server has it.
func Stopped(failure string) bool { return strings.Contains(failure, ErrStopping.Reason) }

// Stopping reports whether the worker of an activity was asked to stop.
func Stopping(ctx context.Context) bool {
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return true
	default:
		return false
	}
}

// heartbeatEvery is the time between two heartbeats. The SDK sends at most one in two
// seconds, and cancellation arrives with the response.
const heartbeatEvery = time.Second

// pulse sends the heartbeats of one activity.
type pulse struct {
	activity context.Context //nolint:containedctx // of one activity
	ctx      context.Context //nolint:containedctx // the same, but not cancelled: heartbeats continue while the activity ends
	cancel   context.CancelFunc
	every    time.Duration
	former   *converter.RawValue // details of the previous attempt; nil = none

	waits waits.Set
	model modelPace

	mu      sync.Mutex
	details func() any
}

type pulseKey struct{}

func newPulse(ctx context.Context, every time.Duration) *pulse {
	p := &pulse{activity: ctx, every: every}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if t := activity.GetInfo(ctx).HeartbeatTimeout; t > 0 {
		p.every = min(p.every, t/4)
	}
	if activity.HasHeartbeatDetails(ctx) {
		var former converter.RawValue
		if activity.GetHeartbeatDetails(ctx, &former) == nil {
			p.former = &former
		}
	}
	return p
}

// start sends heartbeats until the returned function is called. end receives the panic of
// the function that returns the details, or nil.
func (p *pulse) start(end func(error)) (stop func()) {
	done := make(chan struct{})
	panics.Go(func() error {
		tick := time.NewTicker(p.every)
		defer tick.Stop()
		for {
			select {
			case <-p.ctx.Done():
				return nil
			case <-tick.C:
				if p.lost() {
					return nil
				}
				p.beat()
			}
		}
	}, func(err error) {
		end(err)
		close(done)
	})
	return func() { p.cancel(); <-done }
}

// lost reports whether the server has given up this attempt.
func (p *pulse) lost() bool {
	_, gone := errors.AsType[*serviceerror.NotFound](context.Cause(p.activity))
	return gone
}

// beat sends one heartbeat. Until the activity sets details, it repeats those of the
// previous attempt, which an empty heartbeat would erase.
func (p *pulse) beat() {
	p.mu.Lock()
	details := p.details
	p.mu.Unlock()
	switch {
	case details != nil:
		p.record(details())
	case p.former != nil:
		p.record(*p.former)
	default:
		p.record(nil)
	}
}

// last sends the last details, if the activity set any.
func (p *pulse) last() {
	p.mu.Lock()
	said := p.details != nil
	p.mu.Unlock()
	if said {
		p.beat()
	}
}

// HeartbeatDetails sets the function that returns the details of this activity's
// heartbeats.
func HeartbeatDetails(ctx context.Context, details func() any) {
	p, ok := ctx.Value(pulseKey{}).(*pulse)
	if !ok {
		return // called by another activity's test, without the interceptor
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.details = details
}
