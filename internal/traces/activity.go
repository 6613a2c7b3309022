package traces

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// scope is what all spans of an activity share.
type scope struct {
	tenant tenant.ID
	all    []attribute.KeyValue
}

type scopeKey struct{}

func scopeOf(ctx context.Context) scope {
	s, _ := ctx.Value(scopeKey{}).(scope)
	return s
}

func newScope(i activity.Info, who tenant.ID) scope {
	s := scope{tenant: who, all: []attribute.KeyValue{
		keyTenant.String(string(who)), keySession.String(i.WorkflowExecution.ID),
		keyWorkflow.String(i.WorkflowExecution.ID), keyRun.String(i.WorkflowExecution.RunID),
		keyActivity.String(i.ActivityType.Name), keyActivityID.String(i.ActivityID), keyAttempt.Int(int(i.Attempt)),
		keyQueue.String(i.TaskQueue),
	}}
	if i.WorkflowType != nil {
		s.all = append(s.all, keyType.String(i.WorkflowType.Name))
	}
	if class := gpuOf(i.TaskQueue); class != "" {
		s.all = append(s.all, keyGPU.String(class))
	}
	return s
}

// gpuOf returns the GPU class of a task queue; "" = its pool has no classes.
func gpuOf(queue string) string {
	for _, class := range video.GPUClasses() {
		if strings.HasSuffix(queue, "-"+class) {
			return class
		}
	}
	return ""
}

// activities makes the spans of activities.
type activities struct {
	interceptor.ActivityInboundInterceptorBase
	t *Traces
}

func (a *activities) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	s := newScope(info, ownerOf(in.Args))
	if !trace.SpanContextFromContext(ctx).IsValid() && info.WorkflowExecution.RunID != "" {
		// The workflow ran in a worker without traces when it scheduled the activity.
		ctx = trace.ContextWithRemoteSpanContext(ctx, runSpan(info.Namespace, info.WorkflowExecution.ID, info.WorkflowExecution.RunID))
	}
	tracer := a.t.of(s.tenant)
	name := info.ActivityType.Name
	ctx, span := tracer.Start(context.WithValue(ctx, scopeKey{}, s), spanActivity+name, trace.WithTimestamp(info.StartedTime),
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(s.all...), trace.WithAttributes(keySpanKind.String(kindTool)))
	at := place{info.WorkflowExecution.RunID, info.ActivityID}
	a.t.places.set(at, span.SpanContext())
	defer a.t.places.forget(at)
	p := &ending{span: span}
	timer := time.AfterFunc(a.t.long, p.unfinished)
	out, err := a.Next.ExecuteActivity(ctx, in)
	timer.Stop()
	if p.finish(err) {
		// The span was exported, because what an activity of a day does must have a parent. How
		// it ended is a span of its own.
		_, last := tracer.Start(ctx, spanFinish+name, trace.WithTimestamp(info.StartedTime),
			trace.WithAttributes(s.all...), trace.WithAttributes(keySpanKind.String(kindTool)))
		setOutcome(last, err)
		last.End()
	}
	return out, err
}

// ending is the span of an activity, which is exported before its end if that takes long.
type ending struct {
	mu   sync.Mutex
	span trace.Span
	done bool
}

func (p *ending) unfinished() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		p.done = true
		p.span.SetAttributes(keyUnfinished.Bool(true))
		p.span.End()
	}
}

// finish ends the span; already reports that it was exported before.
func (p *ending) finish(err error) (already bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return true
	}
	p.done = true
	setOutcome(p.span, err)
	p.span.End()
	return false
}

// setOutcome says how a workflow or an activity ended: with the class of an error, without its
// text.
func setOutcome(s trace.Span, err error) {
	outcome, class := outcomeOf(err)
	s.SetAttributes(keyOutcome.String(outcome))
	switch {
	case class != "":
		s.SetAttributes(keyErrorType.String(class))
		s.SetStatus(codes.Error, class)
	case err == nil:
		s.SetStatus(codes.Ok, "")
	}
}

// outcomeOf says how a workflow or an activity ended; class is that of an error, or "".
func outcomeOf(err error) (outcome, class string) {
	if err == nil {
		return "completed", ""
	}
	if temporal.IsCanceledError(err) || errors.Is(err, context.Canceled) {
		return "canceled", ""
	}
	if isContinue(err) {
		return "continued", ""
	}
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok && app.Type() != "" {
		return "failed", app.Type()
	}
	return "failed", "internal"
}
