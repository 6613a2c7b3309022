package traces

import (
	"context"
	"errors"
	"math"
	"reflect"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// workflows makes the spans of workflows. A run has two: one is exported when it starts, so
// that its activities have a parent while it runs for days, and one when it ends, which says
// how. Both are exported once, not on replay, and their ids are made of the run.
type workflows struct {
	interceptor.WorkflowInboundInterceptorBase
	t *Traces
}

// scheduledBy is the search attribute that Temporal sets on runs of a schedule.
var scheduledBy = temporal.NewSearchAttributeKeyKeyword("TemporalScheduledById") //nolint:gochecknoglobals // a constant

// ExecuteWorkflow implements interceptor.WorkflowInboundInterceptor.
func (w *workflows) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	i := workflow.GetInfo(ctx)
	before, _ := ctx.Value(spanKey{}).(reference)
	_, scheduled := workflow.GetTypedSearchAttributes(ctx).GetKeyword(scheduledBy)
	self, parent, links := position(i, before.SpanContext, scheduled)
	ctx = workflow.WithValue(ctx, spanKey{}, reference{self})
	w.t.places.set(place{run: i.WorkflowExecution.RunID}, self)
	record := w.recorder(i, in.Args)
	if !workflow.IsReplaying(ctx) {
		record(spanWorkflow, self, parent, links, nil)
	}
	out, err := w.Next.ExecuteWorkflow(ctx, in)
	if !workflow.IsReplaying(ctx) { // not reached when the workflow leaves the cache
		last := derived("end", i.Namespace, i.WorkflowExecution.ID, i.WorkflowExecution.RunID)
		record(spanComplete, last, self, nil, func(s trace.Span) {
			setOutcome(s, err)
			outcome, _ := outcomeOf(err)
			s.SetAttributes(shown(outcome, costOf(out))...)
		})
	}
	return out, err
}

// recorder returns the function that exports a span of the run.
func (w *workflows) recorder(i *workflow.Info, args []any) func(name string, self, parent trace.SpanContext, links []trace.Link, add func(trace.Span)) {
	who := ownerOf(args)
	all := []attribute.KeyValue{
		keyTenant.String(string(who)), keySession.String(i.WorkflowExecution.ID), keyWorkflow.String(i.WorkflowExecution.ID),
		keyRun.String(i.WorkflowExecution.RunID), keyType.String(i.WorkflowType.Name), keyAttempt.Int(int(i.Attempt)),
		keyQueue.String(i.TaskQueueName), keySpanKind.String(kindChain),
	}
	if i.ContinuedExecutionRunID != "" {
		all = append(all, keyContinues.String(i.ContinuedExecutionRunID))
	}
	begun := i.WorkflowStartTime
	return func(name string, self, parent trace.SpanContext, links []trace.Link, add func(trace.Span)) {
		ctx := withIDs(context.Background(), self)
		if parent.IsValid() {
			ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		}
		_, s := w.t.of(who).Start(ctx, name+i.WorkflowType.Name, trace.WithTimestamp(begun), trace.WithSpanKind(trace.SpanKindServer),
			trace.WithLinks(links...), trace.WithAttributes(all...))
		if add != nil {
			add(s)
		}
		s.End(trace.WithTimestamp(time.Now()))
	}
}

// position returns the span of a run, its parent and its links. A run that continues another one,
// or that a schedule starts, begins a trace of its own with a link: a job of a year would
// otherwise be one trace, which no tool can show.
func position(i *workflow.Info, before trace.SpanContext, scheduled bool) (self, parent trace.SpanContext, links []trace.Link) {
	self = runSpan(i.Namespace, i.WorkflowExecution.ID, i.WorkflowExecution.RunID)
	if !before.IsValid() {
		return self, parent, nil
	}
	if i.ContinuedExecutionRunID != "" || scheduled {
		return self.WithTraceFlags(before.TraceFlags()), parent, []trace.Link{{SpanContext: before}}
	}
	return self.WithTraceID(before.TraceID()).WithTraceFlags(before.TraceFlags()), before, nil
}

// runSpan is the span of a run, in a trace of its own.
func runSpan(namespace, id, run string) trace.SpanContext { return derived("run", namespace, id, run) }

func isContinue(err error) bool {
	_, ok := errors.AsType[*workflow.ContinueAsNewError](err)
	return ok
}

// costOf returns the cost in micro-USD that the result of a run has, or 0.
func costOf(result any) int64 {
	v := reflect.Indirect(reflect.ValueOf(result))
	if v.Kind() != reflect.Struct {
		return 0
	}
	if f := v.FieldByName("CostUSD"); f.IsValid() && f.Kind() == reflect.Float64 {
		return int64(math.Round(f.Float() * 1e6))
	}
	return 0
}
