// Package tracestest has a collector of traces for tests. It decodes what it receives as
// OTLP/HTTP says.
package tracestest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span as a collector sees it.
type Span struct {
	Name, Trace, ID, Parent string // ids in hexadecimal; Parent "" = a root
	Project                 string // of its resource
	Resource, Attributes    map[string]any
	Links                   []string // ids of spans
	Failed, OK              bool
	Message                 string // of the status
	Begin, End              time.Time
	Events                  int
}

// Text returns an attribute that is a text, or "".
func (s Span) Text(key string) string { text, _ := s.Attributes[key].(string); return text }

// Int returns an attribute that is a whole number, or 0.
func (s Span) Int(key string) int64 { n, _ := s.Attributes[key].(int64); return n }

// Collector receives spans.
type Collector struct {
	URL string

	mu       sync.Mutex
	spans    []Span
	raw      [][]byte
	headers  []http.Header
	requests int
	answer   http.HandlerFunc
}

// Start starts a collector, which ends with the test.
func Start(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// Answer makes the collector answer every request with a handler instead of taking it; nil =
// it takes requests again.
func (c *Collector) Answer(with http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = with
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests++
	answer := c.answer
	c.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	request, raw, err := Read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw, c.headers = append(c.raw, raw), append(c.headers, r.Header.Clone())
	c.spans = append(c.spans, SpansOf(request)...)
}

// Read reads a request as OTLP/HTTP says.
func Read(r *http.Request) (*collector.ExportTraceServiceRequest, []byte, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, nil, err
		}
		body = unzipped
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, nil, err
	}
	request := &collector.ExportTraceServiceRequest{}
	return request, raw, proto.Unmarshal(raw, request)
}

// SpansOf returns the spans of a request.
func SpansOf(r *collector.ExportTraceServiceRequest) (out []Span) {
	for _, of := range r.GetResourceSpans() {
		resource := attributes(of.GetResource().GetAttributes())
		project, _ := resource["openinference.project.name"].(string)
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				one := Span{
					Name: s.GetName(), Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()),
					Parent: hex.EncodeToString(s.GetParentSpanId()), Project: project, Resource: resource, Attributes: attributes(s.GetAttributes()),
					Failed: s.GetStatus().GetCode() == 2, OK: s.GetStatus().GetCode() == 1, Message: s.GetStatus().GetMessage(), Events: len(s.GetEvents()),
					Begin: time.Unix(0, int64(s.GetStartTimeUnixNano())), End: time.Unix(0, int64(s.GetEndTimeUnixNano())), //nolint:gosec // of this century
				}
				for _, l := range s.GetLinks() {
					one.Links = append(one.Links, hex.EncodeToString(l.GetSpanId()))
				}
				out = append(out, one)
			}
		}
	}
	return out
}

func attributes(list []*common.KeyValue) map[string]any {
	out := map[string]any{}
	for _, kv := range list {
		switch v := kv.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[kv.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			out[kv.GetKey()] = v.IntValue
		case *common.AnyValue_DoubleValue:
			out[kv.GetKey()] = v.DoubleValue
		case *common.AnyValue_BoolValue:
			out[kv.GetKey()] = v.BoolValue
		default:
			out[kv.GetKey()] = v
		}
	}
	return out
}

// Spans returns what was received so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Raw returns the requests as they were received, with their headers.
func (c *Collector) Raw() ([][]byte, []http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.raw), slices.Clone(c.headers)
}

// Requests returns the number of requests, whatever the answer was.
func (c *Collector) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// Await waits until a span satisfies the condition.
func (c *Collector) Await(t testing.TB, what string, has func(Span) bool) Span {
	t.Helper()
	var found Span
	require.Eventually(t, func() bool {
		at := slices.IndexFunc(c.Spans(), has)
		if at >= 0 {
			found = c.Spans()[at]
		}
		return at >= 0
	}, 30*time.Second, 10*time.Millisecond, "no span of "+what)
	return found
}
