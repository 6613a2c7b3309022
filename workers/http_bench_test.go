package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// BenchmarkHTTP ingests 1,184 frames with a model server of 64 slots and 2 s a call over HTTP, by a
// worker process that knows nothing of the server, and by another one after it. Times include
// the start of the job, extraction, the index and the report. All is measured in the same run:
//
//	cold, warm   frames/s ÷ frames/s of the server alone with 64 callers (goals 0.90 and 0.97)
//	peak         calls that the server had at once, at most (goal 96)
//	cpu-ms       CPU time a frame, of worker and Temporal server together (goal 4)
//	events/1k    Temporal events per 1,000 frames
func BenchmarkHTTP(b *testing.B) {
	const frames, slots, latency = 1184, 64, 2 * time.Second
	ffmpeg, err := exec.LookPath("ffmpeg")
	require.NoError(b, err)
	path, err := clips.Tiny(b.Context(), ffmpeg, filepath.Join(b.TempDir(), "videos"), frames)
	require.NoError(b, err)
	for b.Loop() {
		server := vlmtest.Start(b)
		server.Work(slots, func() time.Duration { return latency }, false)
		alone := saturated(b, server, slots, frames)
		s := newStack(b, nil)
		file := filepath.Join(s.dir, "config.json")
		require.NoError(b, os.WriteFile(file, fmt.Appendf(nil, `{"cogflow": {"active_profile": "http",
			"endpoints": {"gpu": {"kind": "openai", "url": "%s/v1", "models": ["test/vlm"]}},
			"profiles": {"http": {"sampling": {"strategy": "fps", "fps": 1}, "describe": {"model": "test/vlm"}}}}}`, server.URL), 0o600))
		s.env = append(s.env, "COGNIVERSE_CONFIG="+file, "COGFLOW_TESSERACT=none")
		before := rusage(b, syscall.RUSAGE_CHILDREN)
		events := 0
		for _, name := range []string{"cold", "warm"} {
			w := s.worker(nil)
			s.awaitPollers("describe-cpu", 1)
			start := time.Now()
			out, err := execute[ingest.VideoResult](s, name, "IngestVideo", ingest.VideoInput{URI: path, Common: workflows.Common{Tenant: name}})
			took := time.Since(start)
			require.NoError(b, err)
			require.Equal(b, frames, out.Documents)
			require.Equal(b, frames, out.DescribeCalls)
			b.ReportMetric(frames/took.Seconds()/alone, name)
			n, _, _ := historySize(b, s.client, name, s.client.GetWorkflow(b.Context(), name, "").GetRunID())
			events += n
			w.drain()
		}
		require.NoError(b, s.server.Stop())
		b.ReportMetric(float64(server.Peak()), "peak")
		b.ReportMetric(float64((rusage(b, syscall.RUSAGE_CHILDREN)-before).Milliseconds())/(2*frames), "cpu-ms")
		b.ReportMetric(float64(events)*1000/(2*frames), "events/1k")
	}
}

// saturated is how many frames a second a server describes for as many callers as it has slots.
func saturated(b *testing.B, server *vlmtest.Server, slots, frames int) float64 {
	b.Helper()
	d := vlm.NewOpenAI(vlm.Options{URL: server.URL + "/v1", MaxInFlight: slots})
	picture := vlmtest.Picture(b, 1)
	var next atomic.Int64
	var callers sync.WaitGroup
	start := time.Now()
	for range slots {
		callers.Go(func() {
			for next.Add(1) <= int64(frames) {
				if _, err := d.Describe(b.Context(), video.DescribeRequest{Stage: video.Stage{Model: "test/vlm"}, JPEG: picture}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	return float64(frames) / time.Since(start).Seconds()
}

// cpuTime is the CPU time of this process and of the processes that it started and that have
// ended, with their own.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	return rusage(b, syscall.RUSAGE_SELF) + rusage(b, syscall.RUSAGE_CHILDREN)
}

func rusage(b *testing.B, who int) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(who, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
