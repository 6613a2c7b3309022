package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	"google.golang.org/protobuf/proto"

	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// mostEvents is the number of events at which the server suggests continue-as-new. Runs must
// continue as new before they reach this number.
const mostEvents = 4096

// TestScaleManyFrames ingests one long video: 4,000 frames, or 10,000 with COGFLOW_SOAK=1.
func TestScaleManyFrames(t *testing.T) {
	t.Parallel()
	frames := 4_000
	if os.Getenv("COGFLOW_SOAK") != "" {
		frames = 10_000
	}
	path, err := clips.Tiny(t.Context(), "ffmpeg", t.TempDir(), frames)
	require.NoError(t, err)
	s := newStack(t, nil)
	m := s.measure("long")
	run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("long"), "IngestVideo", ingest.VideoInput{URI: path})
	require.NoError(t, err)
	out := await[ingest.VideoResult](s, run, 15*time.Minute)
	m.end()
	require.Equal(t, frames, out.Documents)
	require.Equal(t, frames, out.DescribeCalls)

	cost := s.cost("long")
	t.Logf("per 1,000 frames: %d events, %d bytes of payload, %d bytes of history",
		cost.events*1000/frames, cost.payload*1000/frames, cost.bytes*1000/frames)
	require.LessOrEqual(t, cost.events*1000/frames, 330, "events per 1,000 frames")
	require.LessOrEqual(t, cost.payload*1000/frames, 100_000, "bytes of payload per 1,000 frames")
}

// TestScaleManyVideos ingests a library: 200 videos, or 2,000 with COGFLOW_SOAK=1.
func TestScaleManyVideos(t *testing.T) {
	t.Parallel()
	videos := 200
	if os.Getenv("COGFLOW_SOAK") != "" {
		videos = 2000
	}
	dir := t.TempDir()
	_, err := clips.Library(t.Context(), "ffmpeg", dir, videos)
	require.NoError(t, err)
	s := newStack(t, nil)
	m := s.measure("library")
	run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("library"), "IngestLibrary", ingest.LibraryInput{Source: dir})
	require.NoError(t, err)
	out := await[ingest.LibraryResult](s, run, max(15*time.Minute, time.Duration(videos)*time.Second))
	m.end()
	require.Equal(t, videos, out.Indexed)
	require.Equal(t, 2*videos, out.Documents)
	require.Equal(t, 2, out.DescribeCalls, "equal frames are described once")
	cost := s.cost("library")
	t.Logf("per video: %d events, %d bytes of payload", cost.events/videos, cost.payload/videos)
}

// historyCost is the size of the histories of a chain of runs.
type historyCost struct{ runs, events, longest, payload, bytes int }

// cost adds up the histories of a chain, and fails if one is too long.
func (s *stack) cost(id string) (c historyCost) {
	s.t.Helper()
	for _, events := range s.chain(id) {
		c.runs++
		c.events += len(events)
		c.longest = max(c.longest, len(events))
		for _, event := range events {
			c.payload += payload(s.t, event)
			c.bytes += proto.Size(event)
		}
	}
	s.t.Logf("%s: %d runs, %d events, at most %d in a run", id, c.runs, c.events, c.longest)
	require.Less(s.t, c.longest, mostEvents)
	return c
}

// payload returns the size in bytes of the inputs, results and details of an event.
func payload(t testing.TB, event *history.HistoryEvent) (bytes int) {
	t.Helper()
	err := proxy.VisitPayloads(context.Background(), event, proxy.VisitPayloadsOptions{
		Visitor: func(_ *proxy.VisitPayloadsContext, found []*common.Payload) ([]*common.Payload, error) {
			for _, p := range found {
				bytes += len(p.GetData())
			}
			return found, nil
		},
	})
	require.NoError(t, err)
	return bytes
}

// meter measures the memory of a worker and whether its run answers queries.
type meter struct {
	s       *stack
	id      string
	worker  *workerProcess
	started time.Time
	stop    context.CancelFunc
	done    sync.WaitGroup
	rss     []int // resident memory in MiB, from the kernel
	answers int
	slowest time.Duration
	err     error
}

// measure starts a worker and measures it during a workflow.
func (s *stack) measure(id string) *meter {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	s.t.Cleanup(stop)
	m := &meter{s: s, id: id, worker: s.worker(nil, "GODEBUG=gctrace=1"), started: time.Now(), stop: stop}
	m.done.Go(func() { m.watchMemory(ctx) })
	m.done.Go(func() { m.query(ctx) })
	return m
}

func (m *meter) watchMemory(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.rss = append(m.rss, m.worker.rss())
		}
	}
}

// rss is the resident memory of the worker in MiB; 0 = unknown.
func (w *workerProcess) rss() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	found := regexp.MustCompile(`VmRSS:\s*(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(found[1])) // the pattern matches digits only
	return kib >> 10
}

// unanswered is the time after which a query counts as unanswered. Latency is logged but
// not tested, because a machine can be busy.
const unanswered = 30 * time.Second

// query queries the run repeatedly; each query must be answered.
func (m *meter) query(ctx context.Context) {
	for ctx.Err() == nil {
		_, err := m.s.client.DescribeWorkflow(ctx, m.id, "")
		if err == nil {
			m.ask(ctx)
		}
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (m *meter) ask(ctx context.Context) {
	limited, stop := context.WithTimeout(ctx, unanswered)
	defer stop()
	start := time.Now()
	_, err := m.s.client.QueryWorkflow(limited, m.id, "", workflows.QueryProgress)
	for err != nil && limited.Err() == nil { // try again, as a user would
		_, err = m.s.client.QueryWorkflow(limited, m.id, "", workflows.QueryProgress)
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil && m.err == nil {
		m.err = fmt.Errorf("a query after %s: %w", time.Since(m.started), err)
	}
	m.answers++
	m.slowest = max(m.slowest, time.Since(start))
}

// end stops the measurement and checks that memory did not grow and that every query was answered.
func (m *meter) end() {
	t := m.s.t
	t.Helper()
	took := time.Since(m.started)
	m.stop()
	m.done.Wait()
	require.NoError(t, m.err)
	heap := m.heap()
	middle, last := window(heap, 0.4, 0.6), window(heap, 0.8, 1)
	t.Logf("%s in %s: heap %.1f MiB in the middle, %.1f at the end (×%.2f); memory %d MiB in the middle, %d at the end, %d at most",
		m.id, took.Round(time.Second), middle, last, last/middle, int(window(m.rss, 0.4, 0.6)), int(window(m.rss, 0.8, 1)), slices.Max(m.rss))
	t.Logf("%s: %d queries answered, the slowest in %s", m.id, m.answers, m.slowest.Round(time.Millisecond))
	require.Positive(t, m.answers)
	require.Less(t, last, middle*1.5+8, "the heap grows")
	require.Less(t, window(m.rss, 0.8, 1), window(m.rss, 0.4, 0.6)*1.5, "memory grows")
}

// heap is the live heap in MiB after each garbage collection, from the log of the worker's
// runtime.
func (m *meter) heap() (live []int) {
	for _, line := range regexp.MustCompile(`(?m)^gc \d+ @.* \d+->\d+->(\d+) MB`).FindAllStringSubmatch(m.s.log(), -1) {
		n, err := strconv.Atoi(line[1])
		require.NoError(m.s.t, err)
		live = append(live, n)
	}
	require.NotEmpty(m.s.t, live)
	return live
}

// window returns the mean of a part of a series; from and to are fractions of its length.
func window(series []int, from, to float64) float64 {
	n := float64(len(series))
	part := series[int(n*from):max(int(n*to), int(n*from)+1)]
	sum := 0
	for _, v := range part {
		sum += v
	}
	return float64(sum) / float64(len(part))
}
