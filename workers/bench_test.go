package main

import (
	"context"
	"log/slog"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/protobuf/proto"

	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/draining"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// endpoint simulates a vision model with continuous batching: a fixed number of concurrent
// calls with a fixed latency.
type endpoint struct {
	slots   chan struct{}
	latency time.Duration
}

func newEndpoint() *endpoint {
	return &endpoint{slots: make(chan struct{}, 64), latency: 200 * time.Millisecond}
}

func (e *endpoint) Limit(string) int { return cap(e.slots) }

func (e *endpoint) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	e.slots <- struct{}{}
	defer func() { <-e.slots }()
	select {
	case <-time.After(e.latency):
	case <-ctx.Done():
		return video.Caption{}, ctx.Err()
	}
	f := video.NewFingerprint("simulated", string(r.JPEG))
	return video.Caption{Text: "A simulated caption " + string(f[:12]) + ".", Model: r.Stage.Model, Revision: "1"}, nil
}

// alone measures the throughput of the endpoint without a pipeline, in frames per second
// with all slots in use.
func (e *endpoint) alone(b *testing.B, frames int) float64 {
	b.Helper()
	start := time.Now()
	var wg sync.WaitGroup
	next := make(chan int)
	for range cap(e.slots) {
		wg.Go(func() {
			for range next {
				_, _ = e.Describe(b.Context(), video.DescribeRequest{JPEG: []byte{1}})
			}
		})
	}
	for i := range frames {
		next <- i
	}
	close(next)
	wg.Wait()
	return float64(frames) / time.Since(start).Seconds()
}

// BenchmarkPipeline ingests one video of 10,000 tiny frames with a simulated
// endpoint of 64 slots and 200 ms. Everything else is real and runs in this process,
// except for the Temporal server.
//
//	efficiency   frames/s of the whole ingest ÷ frames/s of the endpoint alone (goal 0.95)
//	events/1k    Temporal events per 1,000 frames (goal 150)
//	cpu-ms       CPU time a frame, of this process and the Temporal server together (goal 4)
//	KB/1k        bytes of history per 1,000 frames (goal 100)
func BenchmarkPipeline(b *testing.B) {
	frames := 10_000
	ffmpeg, err := exec.LookPath("ffmpeg")
	require.NoError(b, err)
	path, err := clips.Tiny(b.Context(), ffmpeg, filepath.Join(b.TempDir(), "videos"), frames)
	require.NoError(b, err)
	for b.Loop() {
		e := newEndpoint()
		alone := e.alone(b, frames)
		before := cpuTime(b)
		c, stop := benchStack(b, e, nil)
		in := ingest.VideoInput{URI: path}
		start := time.Now()
		run, err := c.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{ID: "bench", TaskQueue: workflows.QueueMain}, "IngestVideo", in)
		require.NoError(b, err)
		first := run.GetRunID()
		var out ingest.VideoResult
		require.NoError(b, run.Get(b.Context(), &out))
		whole := float64(out.Frames) / time.Since(start).Seconds()
		require.Equal(b, frames, out.Documents)
		events, bytes, longest := historySize(b, c, "bench", first)
		b.ReportMetric(whole, "frames/s")
		b.ReportMetric(whole/alone, "efficiency")
		b.ReportMetric(float64(events)*1000/float64(frames), "events/1k")
		b.ReportMetric(float64(bytes)/1024*1000/float64(frames), "KB/1k")
		b.ReportMetric(float64(longest), "events/run")
		stop()
		b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(frames), "cpu-ms")
	}
}

// benchStack starts a server and, in this process, workers that use the endpoint. env overrides
// the configuration, and change replaces parts; stop ends all.
func benchStack(b *testing.B, e *endpoint, change func(h *implementations), env ...string) (c client.Client, stop func()) {
	b.Helper()
	dir := b.TempDir()
	binary, err := devserver.Find("../bin")
	require.NoError(b, err)
	server, err := devserver.Start(b.Context(), devserver.Options{Binary: binary, Dir: filepath.Join(dir, "temporal"), Headless: true})
	require.NoError(b, err)
	b.Cleanup(func() { _ = server.Stop() })
	c, err = client.DialContext(b.Context(), client.Options{HostPort: server.Address(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(b, err)
	values := map[string]string{
		"COGFLOW_STORE": "file://" + filepath.Join(dir, "store"), "COGFLOW_INDEX": filepath.Join(dir, "index.db"),
		"COGFLOW_LEDGER": filepath.Join(dir, "ledger.db"), "COGFLOW_SCRATCH": filepath.Join(dir, "tmp"), "COGFLOW_TESSERACT": "none",
	}
	for i := 0; i+1 < len(env); i += 2 {
		values[env[i]] = env[i+1]
	}
	settings, err := config.Load(func(name string) string { return values[name] })
	require.NoError(b, err)
	h, closeAll, err := wire(b.Context(), settings, func(string) string { return "" }, pools(), "cpu", c, true, nil, draining.Limit{})
	require.NoError(b, err)
	h.ingest.Describer = e
	h.ingest.Profiles = func(string) (video.Profile, error) {
		p := video.LocalPreview()
		p.Describe = video.Stage{Model: "simulated", Revision: "1", GPU: []string{"cpu"}}
		return p, nil
	}
	if change != nil {
		change(&h)
	}
	workers, err := startPools(c, pools(), "cpu", h, nil, make(chan error, 9))
	require.NoError(b, err)
	return c, func() {
		stopAll(workers)
		require.NoError(b, closeAll())
		c.Close()
		require.NoError(b, server.Stop())
	}
}

// historySize returns the events and bytes of all runs of a chain, and the length of the
// longest run.
func historySize(b *testing.B, c client.Client, id, run string) (events, bytes, longest int) {
	b.Helper()
	for run != "" {
		at, n := c.GetWorkflowHistory(b.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT), 0
		next := ""
		for at.HasNext() {
			event, err := at.Next()
			require.NoError(b, err)
			n++
			bytes += proto.Size(event)
			if a := event.GetWorkflowExecutionContinuedAsNewEventAttributes(); a != nil {
				next = a.NewExecutionRunId
			}
		}
		events, longest, run = events+n, max(longest, n), next
	}
	return events, bytes, longest
}
