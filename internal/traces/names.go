package traces

import (
	"fmt"

	"go.opentelemetry.io/otel/attribute"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// All names of attributes, spans and events are in this file. Where OpenTelemetry, its GenAI
// conventions or OpenInference have a name, it is used.

// Attributes of a resource, which Phoenix and other collectors read.
const (
	keyService = attribute.Key("service.name")
	keyVersion = attribute.Key("service.version")
	keyProject = attribute.Key("openinference.project.name") // Phoenix puts the spans of a resource into this project
)

// Attributes of every span. They are not inherited, so each span has all that are known.
const (
	keyTenant     = attribute.Key("tenant.id")
	keySession    = attribute.Key("session.id") // the workflow id: Phoenix shows the traces of a job as one session
	keyWorkflow   = attribute.Key("temporal.workflow_id")
	keyRun        = attribute.Key("temporal.run_id")
	keyType       = attribute.Key("temporal.workflow_type")
	keyActivity   = attribute.Key("temporal.activity_type")
	keyActivityID = attribute.Key("temporal.activity_id")
	keyAttempt    = attribute.Key("temporal.attempt")
	keyQueue      = attribute.Key("temporal.task_queue")
	keyGPU        = attribute.Key("gpu.class")
	keySpanKind   = attribute.Key("openinference.span.kind")
	keyErrorType  = attribute.Key("error.type")        // class of a fault, never its text
	keyOutcome    = attribute.Key("cogflow.outcome")   // how a workflow or a call ended
	keyContinues  = attribute.Key("cogflow.continues") // run id of the run before
	keyUnfinished = attribute.Key("cogflow.unfinished")
)

// Values of openinference.span.kind.
const (
	kindChain     = "CHAIN"
	kindTool      = "TOOL"
	kindLLM       = "LLM"
	kindEmbedding = "EMBEDDING"
)

// Attributes of a call of a model.
const (
	keyModel          = attribute.Key("llm.model_name")
	keyEmbeddingModel = attribute.Key("embedding.model_name")
	keyPrompt         = attribute.Key("llm.token_count.prompt")
	keyCompletion     = attribute.Key("llm.token_count.completion")
	keyTotal          = attribute.Key("llm.token_count.total")
	keyCached         = attribute.Key("llm.token_count.prompt_details.cache_read")
	keyReasoning      = attribute.Key("llm.token_count.completion_details.reasoning")
	keyCost           = attribute.Key("llm.cost.total") // US dollars
	keyMicroUSD       = attribute.Key("cogflow.cost.micro_usd")
	keyGPUMS          = attribute.Key("cogflow.gpu_ms")
	keyEntry          = attribute.Key("cogflow.ledger.key") // of the entry in the ledger
	keyShown          = attribute.Key("output.value")       // what tables of Phoenix show of a span
	keyShownType      = attribute.Key("output.mime_type")
	keyCallKind       = attribute.Key("cogflow.call.kind")
	keyCallAttempt    = attribute.Key("cogflow.call.attempt")

	keyOperation   = attribute.Key("gen_ai.operation.name")
	keyGenModel    = attribute.Key("gen_ai.request.model")
	keyInput       = attribute.Key("gen_ai.usage.input_tokens")
	keyOutput      = attribute.Key("gen_ai.usage.output_tokens")
	keyCachedInput = attribute.Key("gen_ai.usage.cache_read.input_tokens")
)

// Names of spans are "Operation:Type", as Temporal's SDKs name them.
const (
	spanStart    = "StartWorkflow:"
	spanWorkflow = "RunWorkflow:"
	spanComplete = "CompleteWorkflow:"
	spanActivity = "RunActivity:"
	spanFinish   = "FinishActivity:"
)

// callKinds are the names of the ledger's kinds of calls in both conventions. GPU time of
// training has no name there.
var callKinds = map[string]struct{ span, operation string }{ //nolint:gochecknoglobals // a table
	video.KindDescribe:   {kindLLM, "chat"},
	video.KindTranscribe: {kindLLM, "generate_content"},
	"complete":           {kindLLM, "chat"},
	video.KindEmbed:      {kindEmbedding, "embeddings"},
}

// callAttributes describe a call that is reserved.
func callAttributes(c video.Call, r money.Reservation) []attribute.KeyValue {
	out := []attribute.KeyValue{
		keyCallKind.String(c.Kind), keyEntry.String(r.Key), keyCallAttempt.Int(r.Attempt),
	}
	kind, known := callKinds[c.Kind]
	switch {
	case !known:
		out = append(out, keySpanKind.String(kindTool), keyModel.String(c.Model))
	case kind.span == kindEmbedding:
		out = append(out, keySpanKind.String(kind.span), keyEmbeddingModel.String(c.Model))
	default:
		out = append(out, keySpanKind.String(kind.span), keyModel.String(c.Model))
	}
	if known {
		out = append(out, keyOperation.String(kind.operation), keyGenModel.String(c.Model))
	}
	return out
}

// bookingAttributes describe how a call was booked. Counts and costs are numbers: collectors
// drop spans whose counts are texts.
func bookingAttributes(b money.Booking) []attribute.KeyValue {
	out := []attribute.KeyValue{
		keyOutcome.String(string(b.Outcome)), keyCost.Float64(float64(b.MicroUSD) / 1e6), keyMicroUSD.Int64(b.MicroUSD),
	}
	out = append(out, shown(string(b.Outcome), b.MicroUSD)...)
	u := b.Used
	for _, n := range []struct {
		count int64
		keys  []attribute.Key
	}{
		{u.InputTokens, []attribute.Key{keyPrompt, keyInput}},
		{u.OutputTokens, []attribute.Key{keyCompletion, keyOutput}},
		{u.InputTokens + u.OutputTokens, []attribute.Key{keyTotal}},
		{u.CachedTokens, []attribute.Key{keyCached, keyCachedInput}},
		{u.ReasoningTokens, []attribute.Key{keyReasoning}},
		{u.GPUMS, []attribute.Key{keyGPUMS}},
	} {
		for _, key := range n.keys {
			if n.count > 0 { // 0 = not known
				out = append(out, key.Int64(n.count))
			}
		}
	}
	return out
}

// shown is how a call ended and what it cost, where a person looks: Phoenix ignores keyCost and
// estimates costs by a price list of its own.
func shown(outcome string, microUSD int64) []attribute.KeyValue {
	text := fmt.Sprintf(`{"outcome": %q, "cost_usd": %d.%06d}`, outcome, microUSD/1e6, microUSD%1e6)
	return []attribute.KeyValue{keyShown.String(text), keyShownType.String("application/json")}
}
