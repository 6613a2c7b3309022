package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

const hostile = "a\x1b[2J\u202egpj\nb\x9b31m \xff.mp4"

func printed(show func(a *App)) string {
	var out bytes.Buffer
	show(&App{Process: Process{Out: &out, Err: &out}})
	return out.String()
}

func failedVideos() []video.Failure {
	return []video.Failure{
		{URI: "/srv/videos/empty.mp4", Stage: "inspect", Class: "input", Reason: "probe video: the file is empty"},
		{URI: "/srv/videos/" + hostile, Stage: "extract", Class: "input", Reason: "not \x1b]0;owned\a a video"},
	}
}

func TestLibraryGolden(t *testing.T) {
	t.Parallel()
	r := workflows.IngestLibraryResult{
		Totals: video.Totals{
			Videos: 60, Indexed: 3, Unchanged: 1, Failed: 56, Skipped: 1, Frames: 120, Documents: 118,
			DescribeCalls: 100, RepeatedCalls: 2, CostUSD: 0.0042,
		},
		Failures: failedVideos(), Report: "default/reports/x/y.html",
	}
	golden(t, "library", printed(func(a *App) { a.printLibrary("ingest-x", r) }))
	golden(t, "library_wide", printed(func(a *App) { a.Wide = true; a.printLibrary("ingest-x", r) }))
	r.Estimate = &workflows.Estimate{Bytes: 5 << 30, DurationMS: 3_600_000, Frames: 3600, CostUSD: 12.5, Seconds: 90}
	golden(t, "dry_run", printed(func(a *App) { a.printLibrary("ingest-x", r) }))
}

func TestHitsGolden(t *testing.T) {
	t.Parallel()
	hits := []video.Hit{
		{Name: "bangkok.mp4", StartMS: 12_000, EndMS: 13_000, Score: 0.0325, Caption: "A tuk-tuk at night", Preview: true},
		{Name: hostile, StartMS: 3_725_250, EndMS: 3_726_000, Score: 0.0161, Caption: "line one\nline \x1b[31mtwo"},
	}
	golden(t, "hits", printed(func(a *App) { a.printHits(hits) }))
	assert.Equal(t, "Nothing found.\n", printed(func(a *App) { a.printHits(nil) }))
}

func TestTableIsCutToTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	writeTable(&out, 40, []column{{name: "id"}, {name: "text", flex: true}}, [][]string{{"1", "日本語のとても長い説明文がここに続いていきます、まだ続きます"}})
	golden(t, "cut", out.String())
}

func TestExecutionsGolden(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	closed := now.Add(-time.Minute)
	golden(t, "executions", printed(func(a *App) {
		a.printExecutions([]execution{
			{WorkflowID: "ingest-acme-local_preview-0123", Kind: "IngestLibrary", Status: "running", Started: now.Add(-90 * time.Second)},
			{WorkflowID: "ingest-b", Kind: "IngestLibrary", Status: "failed", Started: now.Add(-80 * time.Hour), Closed: &closed},
		}, now)
	}))
}

func TestJSONSteersNoTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, writeJSON(&out, map[string]string{"name": hostile, "html": "<&>"}))
	golden(t, "json", out.String())
	for _, r := range out.String() {
		assert.False(t, r != '\n' && steers(r), "%q", r)
	}
}

func TestLinesGolden(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	l := NewLines(&out, func() time.Time { return now })
	library := workflows.LibraryProgress{Stage: "list", Source: "/v"}
	show := func(after time.Duration, done, described int, failures ...video.Failure) {
		now = now.Add(after)
		p := library
		p.Done, p.Failures, p.Failed = done, failures, len(failures)
		s := &ingestProgress{at: now, library: &p}
		if p.Stage == "ingest" {
			s.videos = []workflows.VideoProgress{{URI: "/v/b.mp4", Name: "b.mp4", Stage: "describe", Expected: 100, Extracted: 100, Described: described}}
		}
		l.Show(s, false)
	}
	show(0, 0, 0)
	library.Stage, library.Videos = "ingest", 10
	show(500*time.Millisecond, 0, 0)            // too soon
	show(time.Second, 0, 0)                     // a change
	show(2*time.Second, 0, 20)                  // nothing new
	show(3*time.Second, 0, 50)                  // five seconds
	show(time.Second, 1, 60, failedVideos()[1]) // done and failed
	show(time.Second, 2, 70, failedVideos()[1]) // done
	library.Paused = true
	show(time.Second, 2, 70, failedVideos()...) // paused
	library.Paused = false
	p := library
	p.Done, p.Failed, p.Failures = 8, 2, failedVideos()
	end := &ingestProgress{at: now, library: &p}
	l.Show(end, true) // at once, since it is the last
	l.Show(end, true) // and said already
	golden(t, "lines", out.String())
}

func TestClock(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "00:00.000", clock(0))
	assert.Equal(t, "59:59.999", clock(3_599_999))
	assert.Equal(t, "1:00:00.000", clock(3_600_000))
}

func TestIngestID(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "ingest-org:t-p-77b402f72469", ingestID("org:t", "p", "/srv/videos"))
}
