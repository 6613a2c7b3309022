package traces

import (
	"context"
	"reflect"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/tenant"
)

// Interceptors are for the options of a client, and apply to its workers too. A nil Traces has
// none.
func (t *Traces) Interceptors() []interceptor.ClientInterceptor {
	if t == nil {
		return nil
	}
	// The span of a start is made before, and those of workers after, the SDK's interceptor
	// writes and reads headers.
	return []interceptor.ClientInterceptor{&clients{t: t}, interceptor.NewTracingInterceptor(propagator{}), &workers{t: t}}
}

// clients makes the spans of starts.
type clients struct {
	interceptor.ClientInterceptorBase
	t *Traces
}

// InterceptClient is called by the SDK.
func (c *clients) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	return &starts{interceptor.ClientOutboundInterceptorBase{Next: next}, c.t}
}

type starts struct {
	interceptor.ClientOutboundInterceptorBase
	t *Traces
}

// ExecuteWorkflow implements interceptor.ClientOutboundInterceptor.
func (s *starts) ExecuteWorkflow(ctx context.Context, in *interceptor.ClientExecuteWorkflowInput) (client.WorkflowRun, error) {
	who, id := ownerOf(in.Args), in.Options.ID
	ctx, span := s.t.of(who).Start(ctx, spanStart+in.WorkflowType, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		keyTenant.String(string(who)), keySession.String(id), keyWorkflow.String(id), keyType.String(in.WorkflowType),
		keySpanKind.String(kindChain)))
	run, err := s.Next.ExecuteWorkflow(ctx, in)
	if err != nil {
		span.SetStatus(codes.Error, "not started")
	} else {
		span.SetAttributes(keyRun.String(run.GetRunID()))
		span.SetStatus(codes.Ok, "")
	}
	span.End()
	return run, err
}

// workers makes the spans of workflows and activities.
type workers struct {
	interceptor.ClientInterceptorBase
	interceptor.WorkerInterceptorBase
	t *Traces
}

var _ interceptor.Interceptor = (*workers)(nil)

// InterceptWorkflow is called by the SDK.
func (w *workers) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &workflows{interceptor.WorkflowInboundInterceptorBase{Next: next}, w.t}
}

// InterceptActivity is called by the SDK.
func (w *workers) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &activities{interceptor.ActivityInboundInterceptorBase{Next: next}, w.t}
}

// ownerOf returns the tenant that an input names, as all inputs of workflows and activities do:
// by a method, or in a field.
func ownerOf(args []any) tenant.ID {
	for _, arg := range args {
		if o, ok := arg.(interface{ Owner() tenant.ID }); ok {
			return valid(string(o.Owner()))
		}
		v := reflect.Indirect(reflect.ValueOf(arg))
		if v.Kind() != reflect.Struct {
			continue
		}
		if f := v.FieldByName("Tenant"); f.IsValid() && f.Kind() == reflect.String {
			return valid(f.String())
		}
	}
	return tenant.Default
}

// valid returns a tenant. A text that is none could be anything, so it is in no span.
func valid(name string) tenant.ID {
	id, err := tenant.Parse(name)
	if err != nil {
		return tenant.Default
	}
	return id
}
