package ingest

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

func TestLibraryGolden(t *testing.T) {
	t.Parallel()
	r := ingest.LibraryResult{
		Totals: video.Totals{
			Videos: 60, Indexed: 3, Unchanged: 1, Failed: 56, Skipped: 1, Frames: 120, Documents: 118,
			DescribeCalls: 100, RepeatedCalls: 2, CostUSD: 0.0042,
		},
		Failures: clitest.FailedVideos(), Report: "default/reports/x/y.html",
	}
	clitest.Golden(t, "library", clitest.Printed(func(a *cli.App) { app{a}.printLibrary("ingest-x", r) }))
	clitest.Golden(t, "library_wide", clitest.Printed(func(a *cli.App) { a.Wide = true; app{a}.printLibrary("ingest-x", r) }))
	r.Estimate = &ingest.Estimate{
		Bytes: 5 << 30, DurationMS: 3_600_000, Frames: 3600, Calls: 7200, CostUSD: 12.5, Unpriced: true, Seconds: 90,
		AtMost: true, Unread: 3, Unprobed: 1, Reindexed: 2,
	}
	clitest.Golden(t, "dry_run", clitest.Printed(func(a *cli.App) { app{a}.printLibrary("ingest-x", r) }))
	r.Estimate, r.Refused, r.Failures, r.Failed = nil, 42, nil, 0
	r.Unusable = []outcome.Group{
		{Role: "describe", Reason: outcome.Truncated, Answers: 40, Of: 120, Samples: []string{"a.mp4 at 1s: A \x1b[31mboat on", "b.mp4 at 2s: A man"}},
		{Role: "describe", Reason: outcome.Filter, Answers: 2, Of: 120},
	}
	r.Warnings = outcome.Warnings(r.Unusable)
	clitest.Golden(t, "library_unusable", clitest.Printed(func(a *cli.App) { app{a}.printLibrary("ingest-x", r) }))
	v := ingest.VideoResult{Name: "a.mp4", Status: "indexed", Frames: 120, Documents: 80, Refused: 40, Unusable: r.Unusable[:1], Warnings: r.Warnings}
	clitest.Golden(t, "video_unusable", clitest.Printed(func(a *cli.App) { app{a}.printVideo("ingest-x", v) }))
	v = ingest.VideoResult{
		Name: "a.mp4", Status: "indexed", Sidecar: "a.en\x1b[31m.srt", Frames: 12, Documents: 15, Passages: 3, Duplicates: 4, Blank: 1, Capped: true, DecodeErrors: 2,
	}
	clitest.Golden(t, "video_left_out", clitest.Printed(func(a *cli.App) { app{a}.printVideo("ingest-x", v) }))
	now := ingest.VideoProgress{Name: "a.mp4", Stage: "describe", Expected: 120, Described: 120, Unusable: r.Unusable, Warnings: r.Warnings}
	clitest.Golden(t, "progress_unusable", clitest.Printed(func(a *cli.App) { (&progress{videos: []row{{VideoProgress: now}}}).Print(a) }))
	r = ingest.LibraryResult{Totals: video.Totals{Videos: 2, Unchanged: 2}, Estimate: &ingest.Estimate{}}
	clitest.Golden(t, "dry_run_unchanged", clitest.Printed(func(a *cli.App) { app{a}.printLibrary("ingest-x", r) }))
}

func TestLinesGolden(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	l := cli.NewLines(&out, func() time.Time { return now })
	library := ingest.LibraryProgress{Stage: "list", Source: "/v"}
	show := func(after time.Duration, done, described int, failures ...video.Failure) {
		now = now.Add(after)
		p := library
		p.Done, p.Failures, p.Failed = done, failures, len(failures)
		s := &progress{at: now, library: &p}
		if p.Stage == "ingest" {
			s.videos = []row{{VideoProgress: ingest.VideoProgress{
				URI: "/v/b.mp4", Name: "b.mp4", Stage: "describe", Expected: 100, Extracted: 100, Described: described,
			}}}
		}
		l.Show(s, false)
	}
	show(0, 0, 0)
	library.Stage, library.Videos = "ingest", 10
	show(500*time.Millisecond, 0, 0)                    // less than a second since the last line
	show(time.Second, 0, 0)                             // a change
	show(2*time.Second, 0, 20)                          // no change
	show(3*time.Second, 0, 50)                          // five seconds since the last line
	show(time.Second, 1, 60, clitest.FailedVideos()[1]) // done and failed
	show(time.Second, 2, 70, clitest.FailedVideos()[1]) // done
	library.Paused = true
	show(time.Second, 2, 70, clitest.FailedVideos()...) // paused
	library.Paused = false
	p := library
	p.Done, p.Failed, p.Failures = 8, 2, clitest.FailedVideos()
	end := &progress{at: now, library: &p}
	l.Show(end, true) // the last line is printed at once
	l.Show(end, true) // a repeated line is not printed
	clitest.Golden(t, "lines", out.String())
}

func TestIngestID(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "ingest-org:t-p-77b402f72469", submit.Library(ingest.LibraryInput{Common: workflows.Common{Tenant: "org:t"}, Profile: "p", Source: "/srv/videos"}, "").ID)
}
