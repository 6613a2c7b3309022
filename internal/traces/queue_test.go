package traces

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/cogniverse/cogflow/internal/traces/tracestest"
	"github.com/cogniverse/cogflow/tenant"
)

func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func started(t *testing.T, values map[string]string) *Traces {
	t.Helper()
	tr, err := Start(env(values), Options{Service: "test", Version: "1", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NotNil(t, tr)
	return tr
}

// quiet sends only full batches, and the rest when it is closed.
func quiet(t *testing.T, values map[string]string) *Traces {
	t.Helper()
	tr := started(t, values)
	require.NoError(t, tr.queue.Shutdown(t.Context()))
	tr.queue = newQueue(tr.exporter, slog.New(slog.DiscardHandler), queueSize, time.Hour)
	return tr
}

// span exports a span of a tenant.
func (t *Traces) span(who tenant.ID, name string, attributes ...attribute.KeyValue) {
	_, s := t.of(who).Start(context.Background(), name, trace.WithAttributes(attributes...))
	s.End()
}

// total is the number of spans that are accounted for.
func total(c Counts) int64 { return c.Exported + c.Dropped + c.Failed + c.Rejected }

func TestProjects(t *testing.T) {
	t.Parallel()
	c := tracestest.Start(t)
	tr := quiet(t, map[string]string{
		varEndpoint: c.URL, varHeaders: "authorization=Bearer%20s3cret,x-team=red", varResource: "deployment.environment.name=blue", varService: "mine",
	})
	tr.span("acme", "a")
	tr.span("org:other", "b")
	tr.Close(time.Minute)
	byName := map[string]tracestest.Span{}
	for _, s := range c.Spans() {
		byName[s.Name] = s
	}
	require.Equal(t, "cogflow-acme", byName["a"].Project)
	require.Equal(t, "cogflow-org:other", byName["b"].Project)
	require.Equal(t, "blue", byName["a"].Resource["deployment.environment.name"])
	require.Equal(t, "mine", byName["a"].Resource["service.name"])
	_, headers := c.Raw()
	require.Len(t, headers, 1, "tenants share requests")
	require.Equal(t, "Bearer s3cret", headers[0].Get("Authorization"))
	require.Equal(t, "red", headers[0].Get("X-Team"))
	require.Equal(t, Counts{Exported: 2}, tr.Counts())
	tr.span("acme", "late")
	require.Equal(t, Counts{Exported: 2, Dropped: 1}, tr.Counts(), "a span after the end is counted")
}

// TestFaultyCollectors: whatever a collector does, ending spans does not wait, closing ends in
// time, and each span is counted once.
func TestFaultyCollectors(t *testing.T) {
	t.Parallel()
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if len(header) == 2 {
				w.Header().Set(header[0], header[1])
			}
			http.Error(w, "no", code)
		}
	}
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, answer := range map[string]http.HandlerFunc{
		"429":              status(429),
		"503":              status(503),
		"503, retry later": status(503, "Retry-After", "86400"),
		"400":              status(400),
		"401":              status(401),
		"500":              status(500),
		"nonsense":         func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat("x", 1<<20))) },
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client has gone
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		},
		"closes": func(_ http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := tracestest.Start(t)
			c.Answer(answer)
			tr := started(t, map[string]string{varEndpoint: c.URL})
			const n = 3 * queueSize
			for range n {
				tr.span("acme", "x")
			}
			begun := time.Now()
			tr.Close(100 * time.Millisecond)
			require.Less(t, time.Since(begun), 20*time.Second, "closing waits for its limit, not for the collector")
			got := tr.Counts()
			require.EqualValues(t, n, total(got), "%+v", got)
			if name != "nonsense" {
				require.Zero(t, got.Exported)
			}
		})
	}
}

// TestSilentCollector: a collector that takes connections and never reads costs the end of a
// process its limit, and nothing else.
func TestSilentCollector(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // the kernel accepts
	require.NoError(t, err)
	defer l.Close()
	tr := started(t, map[string]string{varEndpoint: "http://" + l.Addr().String()})
	for range batchSize {
		tr.span("acme", "x")
	}
	tr.Close(100 * time.Millisecond)
	require.EqualValues(t, batchSize, total(tr.Counts()))
	require.Zero(t, tr.Counts().Exported)
}

func TestDeadCollector(t *testing.T) {
	t.Parallel()
	tr := started(t, map[string]string{varEndpoint: "http://127.0.0.1:1"})
	tr.span("acme", "x")
	tr.Close(10 * time.Second)
	require.Equal(t, Counts{Failed: 1}, tr.Counts())
}

// TestComplaint46DropsAreCounted: more spans than the queue holds are dropped and counted, and the
// collector gets all others (complaint 46: silent drops).
func TestComplaint46DropsAreCounted(t *testing.T) {
	t.Parallel()
	c := tracestest.Start(t)
	begun, release := make(chan struct{}, 1), make(chan struct{})
	c.Answer(func(http.ResponseWriter, *http.Request) {
		select {
		case begun <- struct{}{}:
		default:
		}
		<-release
	})
	tr := started(t, map[string]string{varEndpoint: c.URL})
	for range batchSize {
		tr.span("acme", "first")
	}
	<-begun // the first batch is being sent; nothing leaves the queue
	for range 2*queueSize + 100 {
		tr.span("acme", "x")
	}
	require.GreaterOrEqual(t, tr.Counts().Dropped, int64(queueSize+100-batchSize))
	c.Answer(nil)
	close(release)
	tr.Close(time.Minute)
	got := tr.Counts()
	require.EqualValues(t, 2*queueSize+100+batchSize, total(got))
	require.Zero(t, got.Failed+got.Rejected)
	require.NotZero(t, len(c.Spans()))
}

// TestComplaint47LongValues: values are cut, so no span is large enough to lose a batch.
func TestComplaint47LongValues(t *testing.T) {
	t.Parallel()
	c := tracestest.Start(t)
	tr := quiet(t, map[string]string{varEndpoint: c.URL})
	tr.span("acme", "large", attribute.String("x", strings.Repeat("ü", 1<<20)))
	tr.span("acme", "small")
	tr.Close(time.Minute)
	raw, _ := c.Raw()
	require.Len(t, raw, 1)
	require.Less(t, len(raw[0]), 4096)
	require.Len(t, c.Spans(), 2)
}

// TestComplaint47OneBadSpan: a span that the collector refuses loses none of its batch, and
// costs few requests.
func TestComplaint47OneBadSpan(t *testing.T) {
	t.Parallel()
	c := tracestest.Start(t)
	var mu sync.Mutex
	var taken []string
	c.Answer(func(w http.ResponseWriter, r *http.Request) {
		request, _, err := tracestest.Read(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		var names []string
		for _, s := range tracestest.SpansOf(request) {
			names = append(names, s.Name)
		}
		if slices.Contains(names, "bad") {
			http.Error(w, "a span is invalid", http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		taken = append(taken, names...)
	})
	tr := quiet(t, map[string]string{varEndpoint: c.URL})
	for i := range batchSize {
		name := "good"
		if i == 77 {
			name = "bad"
		}
		tr.span("acme", name)
	}
	tr.Close(time.Minute)
	require.Equal(t, Counts{Exported: batchSize - 1, Rejected: 1}, tr.Counts())
	require.Len(t, taken, batchSize-1)
	require.LessOrEqual(t, c.Requests(), 2+2*8+2)
}

// TestComplaint48Rejections: spans that the collector says it did not take are counted.
func TestComplaint48Rejections(t *testing.T) {
	t.Parallel()
	c := tracestest.Start(t)
	c.Answer(func(w http.ResponseWriter, _ *http.Request) {
		body, err := proto.Marshal(&collector.ExportTraceServiceResponse{
			PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "disk full"},
		})
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(body)
	})
	tr := quiet(t, map[string]string{varEndpoint: c.URL})
	for range 5 {
		tr.span("acme", "x")
	}
	tr.Close(time.Minute)
	require.Equal(t, Counts{Exported: 3, Rejected: 2}, tr.Counts())
}

func TestNothingIsExported(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]map[string]string{
		"no endpoint": {varHeaders: "a=b"},
		"disabled":    {varEndpoint: "http://127.0.0.1:1", varDisabled: "true"},
		"none":        {varEndpoint: "http://127.0.0.1:1", varExporter: "none"},
	} {
		tr, err := Start(env(values), Options{})
		require.NoError(t, err, name)
		require.Nil(t, tr, name)
		require.Empty(t, tr.Interceptors())
		require.Nil(t, tr.Calls())
		require.Zero(t, tr.Counts())
		tr.Close(time.Hour)
	}
}

func TestInvalidSettings(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]map[string]string{
		varEndpoint: {varEndpoint: "127.0.0.1:4318"},
		varTraces:   {varTraces: "ftp://host"},
		varProtocol: {varEndpoint: "http://h", varProtocol: "grpc"},
		varHeaders:  {varEndpoint: "http://h", varHeaders: "s3cret"},
		varResource: {varEndpoint: "http://h", varResource: "a=%zz"},
	} {
		_, err := Start(env(values), Options{})
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "s3cret")
	}
	require.ElementsMatch(t, []string{"s3cret", "Bearer s3cret", "k"}, Secrets(env(map[string]string{varHeaders: "authorization=Bearer%20s3cret,api_key=k"})))
}

// failing is an exporter.
type failing struct{ err error }

func (f failing) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return f.err }
func (failing) Shutdown(context.Context) error                          { return nil }

// TestTenantsAreBounded: the memory for tenants is bounded, and each span has its project.
func TestTenantsAreBounded(t *testing.T) {
	t.Parallel()
	tr := newTraces(failing{errors.New("no")}, settings{project: "p"}, Options{}, 1, time.Hour)
	for i := range 3 * maxTenants {
		tr.of(tenant.ID(strings.Repeat("t", 1+i%60) + string(rune('a'+i%26)) + strings.Repeat("x", i/1500)))
	}
	require.LessOrEqual(t, len(tr.byTenant), maxTenants)
	tr.Close(time.Second)
}
