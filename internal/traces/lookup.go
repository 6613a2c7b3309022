package traces

import (
	"go.opentelemetry.io/otel/trace"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
)

// Of returns the trace id of a run, by the event that started it. Each run has one, also if its
// workers export no traces.
func Of(namespace, id, run string, begun *historypb.WorkflowExecutionStartedEventAttributes) string {
	var before trace.SpanContext
	if header := begun.GetHeader().GetFields()[headerKey]; header != nil {
		var m map[string]string
		if converter.GetDefaultDataConverter().FromPayload(header, &m) == nil { // workers also ignore one that cannot be read
			if s, _ := (propagator{}).UnmarshalSpan(m); s != nil {
				before = s.(reference).SpanContext
			}
		}
	}
	_, scheduled := begun.GetSearchAttributes().GetIndexedFields()[scheduledBy.GetName()]
	self, _, _ := position(&workflow.Info{
		Namespace: namespace, WorkflowExecution: workflow.Execution{ID: id, RunID: run}, ContinuedExecutionRunID: begun.GetContinuedExecutionRunId(),
	}, before, scheduled)
	return self.TraceID().String()
}
