package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// BenchmarkLedgers ingests a video with a simulated endpoint of 64 slots and 1 s without a ledger,
// with one in a file, and with one in PostgreSQL, in turn, so that other load on the machine meets
// all of them. With -benchtime 3x each has three rounds. It reports medians of the rounds:
//
//	file, postgres           frames/s ÷ frames/s without a ledger in the same round (goal 0.99)
//	file-low, postgres-low   the same of the worst round, and -high of the best
//	…-cpu                    CPU time a frame of worker and Temporal server ÷ that without a ledger
func BenchmarkLedgers(b *testing.B) {
	const frames = 960
	ffmpeg, err := exec.LookPath("ffmpeg")
	require.NoError(b, err)
	path, err := clips.Tiny(b.Context(), ffmpeg, filepath.Join(b.TempDir(), "videos"), frames)
	require.NoError(b, err)
	database := postgrestest.New(b)
	kinds := []string{"none", "file", "postgres"}
	speed, cpu := map[string][]float64{}, map[string][]float64{}
	for round := 0; b.Loop(); round++ {
		seen := map[string]float64{}
		for i := range kinds {
			kind := kinds[(i+round)%len(kinds)]
			var change func(h *implementations)
			var env []string
			switch kind {
			case "none":
				change = func(h *implementations) { h.ingest.Broker = broker.New(broker.Options{Ledger: &noLedger{}}) }
			case "postgres":
				env = []string{"COGFLOW_LEDGER", database.Database(b)}
			}
			e := newEndpoint()
			e.latency = time.Second
			before := cpuTime(b)
			c, stop := benchStack(b, e, change, env...)
			start := time.Now()
			run, err := c.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{ID: "bench", TaskQueue: workflows.QueueMain}, "IngestVideo", ingest.VideoInput{URI: path})
			require.NoError(b, err)
			var out ingest.VideoResult
			require.NoError(b, run.Get(b.Context(), &out))
			seen[kind] = frames / time.Since(start).Seconds()
			require.Equal(b, frames, out.Documents)
			stop()
			seen[kind+"-cpu"] = (cpuTime(b) - before).Seconds() / frames
		}
		for _, kind := range kinds[1:] {
			speed[kind] = append(speed[kind], seen[kind]/seen["none"])
			cpu[kind] = append(cpu[kind], seen[kind+"-cpu"]/seen["none-cpu"])
			b.Logf("round %d: %s %.1f frames/s, without a ledger %.1f; CPU %.2f and %.2f ms a frame", round, kind,
				seen[kind], seen["none"], 1e3*seen[kind+"-cpu"], 1e3*seen["none-cpu"])
		}
	}
	for _, kind := range kinds[1:] {
		slices.Sort(speed[kind])
		slices.Sort(cpu[kind])
		rounds := len(speed[kind])
		b.ReportMetric(speed[kind][rounds/2], kind)
		b.ReportMetric(speed[kind][0], kind+"-low")
		b.ReportMetric(speed[kind][rounds-1], kind+"-high")
		b.ReportMetric(cpu[kind][rounds/2], kind+"-cpu")
	}
}

// noLedger books nothing.
type noLedger struct{ keys atomic.Int64 }

func (l *noLedger) TryReserve(context.Context, video.Call, int64) (money.Reservation, error) {
	return money.Reservation{Key: fmt.Sprint(l.keys.Add(1)), Attempt: 1}, nil
}

func (l *noLedger) Settle(_ context.Context, _ string, said money.Booking) (money.Booking, error) {
	return said, nil
}

func (l *noLedger) Settled() <-chan struct{} { return nil }
