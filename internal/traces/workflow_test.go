package traces

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

func info(run, continues string) *workflow.Info {
	return &workflow.Info{
		Namespace: "default", WorkflowExecution: workflow.Execution{ID: "w", RunID: run}, ContinuedExecutionRunID: continues,
	}
}

// TestComplaint50Traces: a run that continues another one, or that a schedule starts, has a
// trace of its own with a link. A child is in the trace of its parent.
func TestComplaint50Traces(t *testing.T) {
	t.Parallel()
	before := derived("a caller")
	self, parent, links := position(info("r1", ""), before, false)
	require.Equal(t, before.TraceID(), self.TraceID())
	require.Equal(t, before, parent)
	require.Empty(t, links)

	next, parent, links := position(info("r2", "r1"), self, false)
	require.NotEqual(t, self.TraceID(), next.TraceID())
	require.False(t, parent.IsValid())
	require.Equal(t, []trace.Link{{SpanContext: self}}, links)

	scheduled, parent, links := position(info("r3", ""), before, true)
	require.NotEqual(t, before.TraceID(), scheduled.TraceID())
	require.False(t, parent.IsValid())
	require.Len(t, links, 1)

	again, _, _ := position(info("r1", ""), before, false)
	require.Equal(t, self, again, "each process gives a run the same span")
	root, parent, links := position(info("r1", ""), trace.SpanContext{}, false)
	require.Equal(t, self.SpanID(), root.SpanID())
	require.True(t, root.IsValid())
	require.False(t, parent.IsValid())
	require.Empty(t, links)
}

// TestTraceOfRun: the trace of a run is known from its first event.
func TestTraceOfRun(t *testing.T) {
	t.Parallel()
	caller := derived("a caller")
	m, err := propagator{}.MarshalSpan(reference{caller})
	require.NoError(t, err)
	header, err := converter.GetDefaultDataConverter().ToPayload(m)
	require.NoError(t, err)
	bad, err := converter.GetDefaultDataConverter().ToPayload(7)
	require.NoError(t, err)
	event := func(header *commonpb.Payload, before string, attributes ...string) *historypb.WorkflowExecutionStartedEventAttributes {
		e := &historypb.WorkflowExecutionStartedEventAttributes{
			Header: &commonpb.Header{Fields: map[string]*commonpb.Payload{"_tracer-data": header}}, ContinuedExecutionRunId: before,
			SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{}},
		}
		for _, name := range attributes {
			e.SearchAttributes.IndexedFields[name] = bad
		}
		return e
	}
	own := runSpan("default", "w", "r1").TraceID().String()
	require.Equal(t, caller.TraceID().String(), Of("default", "w", "r1", event(header, "")))
	require.Equal(t, own, Of("default", "w", "r1", event(header, "r0")), "it continues a run")
	require.Equal(t, own, Of("default", "w", "r1", event(header, "", "TemporalScheduledById")))
	require.Equal(t, own, Of("default", "w", "r1", event(bad, "")))
	require.Equal(t, own, Of("default", "w", "r1", nil))
}

func TestCostOfResult(t *testing.T) {
	t.Parallel()
	type spent struct{ CostUSD float64 }
	type result struct{ spent }
	require.EqualValues(t, 1_500_001, costOf(&result{spent{1.500001}}))
	for _, none := range []any{nil, 7, (*result)(nil), struct{ CostUSD string }{"1"}} {
		require.Zero(t, costOf(none))
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	p, s := propagator{}, reference{derived("x")}
	m, err := p.MarshalSpan(s)
	require.NoError(t, err)
	got, err := p.UnmarshalSpan(m)
	require.NoError(t, err)
	require.Equal(t, s.TraceID(), got.(reference).TraceID())
	require.Equal(t, s.SpanID(), got.(reference).SpanID())
	for _, bad := range []map[string]string{nil, {"traceparent": ""}, {"traceparent": "00-zz"}, {"other": "x"}} {
		got, err := p.UnmarshalSpan(bad)
		require.NoError(t, err)
		require.Nil(t, got)
	}
	none, err := p.StartSpan(&interceptor.TracerStartSpanOptions{Operation: "CreateSchedule", Parent: s})
	require.NoError(t, err)
	m, err = p.MarshalSpan(none)
	require.NoError(t, err)
	require.Empty(t, m, "a schedule passes on no span")
}
