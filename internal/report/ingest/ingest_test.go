package ingest

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/internal/report/reporttest"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
)

//go:embed testdata/dot.jpg
var dot []byte

func render(t testing.TB, r video.Report) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Render(&out, r))
	return out.String()
}

// sample is a small run with one video of each outcome. Its picture is a constant, so that
// the golden file does not depend on a JPEG encoder.
func sample() video.Report {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	stages := []video.StageTime{
		{Name: "extract", Frames: 30, BusyMS: 2000, StartMS: 100, EndMS: 2100},
		{Name: "describe", Frames: 30, Calls: 30, BusyMS: 9000, StartMS: 900, EndMS: 3900},
	}
	return video.Report{
		Kind: "IngestLibrary", Source: "file:///videos/holiday", Tenant: "default", Profile: "local_preview",
		WorkflowID: "ingest-holiday", RunID: "0198c1f2", Started: start, Ended: start.Add(5 * time.Second), Preview: true,
		Versions: []video.Version{
			{Name: "cogflow", Value: "1.2.3"},
			{Name: "describe", Value: "cogflow/preview-describer 1"},
			{Name: "embed", Value: "cogflow/preview-embedder 1"},
			{Name: "recipe", Value: "5f0c"},
		},
		Index: "SQLite, index.db",
		Totals: video.Totals{
			Videos: 8, Indexed: 3, Unchanged: 2, Failed: 3, Skipped: 2, Frames: 90, Documents: 90,
			DescribeCalls: 91, RepeatedCalls: 1, CostUSD: 0.25,
		},
		Stages: stages,
		Videos: []video.Section{
			{
				Name: "bangkok.mp4", URI: "file:///videos/holiday/bangkok.mp4", Video: "4f2a", Status: video.StatusIndexed,
				DurationMS: 30_000, Width: 1280, Height: 720, Frames: 30, Documents: 30, Duplicates: 4, Blank: 2, Sidecar: "bangkok.en.srt", Capped: true, DecodeErrors: 1,
				Thumbnail: dot, Stages: stages, TakenMS: everySecond(30),
				Sheet: []video.ContactFrame{
					{PTSMS: 0, EndMS: 1000, JPEG: dot, Caption: "A street at night", OnScreenText: "BANGKOK & <more>"},
					{PTSMS: 29_000, StartMS: 29_000, EndMS: 30_000},
				},
			},
			{Name: "old.mp4", URI: "file:///videos/holiday/old.mp4", Status: video.StatusUnchanged, DurationMS: 61_000, Frames: 61, Documents: 61},
		},
		OmittedVideos: 3,
		Failures:      []video.Failure{{URI: "file:///videos/holiday/broken.mp4", Stage: "inspect", Class: "input", Reason: "no video stream"}},
		MoreFailures:  2,
	}
}

// everySecond returns the times of n frames, one per second.
func everySecond(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i) * 1000
	}
	return out
}

func TestGolden(t *testing.T) {
	t.Parallel()
	reporttest.Golden(t, "testdata/sample.html", []byte(render(t, sample())))
	reporttest.Golden(t, "testdata/empty.html", []byte(render(t, video.Report{})))
}

func TestRenderIsDeterministic(t *testing.T) {
	t.Parallel()
	r := sample()
	for i := range 20 { // more stages than colours
		r.Stages = append(r.Stages, video.StageTime{Name: fmt.Sprintf("stage %d", i), EndMS: 10})
	}
	assert.Equal(t, render(t, r), render(t, r))
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	for want, totals := range map[string]video.Totals{
		"No videos found":    {},
		"Complete":           {Videos: 2, Indexed: 1, Unchanged: 1},
		"Up to date":         {Videos: 2, Unchanged: 2},
		"Failed":             {Videos: 2, Failed: 2},
		"Finished, 1 failed": {Videos: 2, Unchanged: 1, Failed: 1},
	} {
		assert.Contains(t, render(t, video.Report{Totals: totals}), ">"+want+"</span>")
	}
	r := sample()
	assert.Contains(t, render(t, r), "Captions by the built-in preview models")
	r.Preview = false
	assert.NotContains(t, render(t, r), "built-in preview models")
	assert.NotContains(t, render(t, r), "without a sandbox")
	r.Unsandboxed = true
	assert.Contains(t, render(t, r), "Media were decoded without a sandbox")
}

// TestSums: for any run, the totals are the sums of the lists of the page, or the page says
// why they differ.
func TestSums(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		r := video.Report{}
		hidden, deleted := 0, 0
		for range rng.IntN(8) {
			v := video.Section{Frames: rng.IntN(50), Documents: rng.IntN(50), Status: []string{video.StatusIndexed, video.StatusUnchanged}[rng.IntN(2)]}
			r.Totals.Videos++
			if v.Status == video.StatusUnchanged {
				r.Totals.Unchanged++
			} else {
				r.Totals.Indexed, r.Totals.Frames, r.Totals.Documents = r.Totals.Indexed+1, r.Totals.Frames+v.Frames, r.Totals.Documents+v.Documents
			}
			if rng.IntN(6) == 0 {
				if v.Status == video.StatusIndexed {
					hidden++
				}
				continue
			}
			r.Videos = append(r.Videos, v)
		}
		r.Totals.Failed = rng.IntN(3)
		if r.Totals.Videos += r.Totals.Failed; rng.IntN(4) == 0 {
			deleted = 1 + rng.IntN(3)
			r.Totals.Videos += deleted
		}
		notes := strings.Join(sums(r), "\n")
		require.Equal(t, hidden > 0, strings.Contains(notes, "The page lists"), "%+v: %s", r, notes)
		require.Equal(t, deleted > 0, strings.Contains(notes, "did not finish"), "%+v: %s", r, notes)
		shares := shares(r.Totals)
		for i, s := range shares {
			if i == len(shares)-1 {
				require.Equal(t, "100.00%", sumOf(t, s.X, s.Width), "the shares make up the whole")
			}
		}
	}
	assert.Contains(t, sums(video.Report{
		Totals: video.Totals{Videos: 1, Indexed: 1, Frames: 5, Documents: 5}, Videos: []video.Section{{Status: video.StatusIndexed, Frames: 4, Documents: 4}},
	})[0], "ingested again since")
}

func sumOf(t *testing.T, parts ...string) string {
	t.Helper()
	total := 0.0
	for _, p := range parts {
		v, err := strconv.ParseFloat(strings.TrimSuffix(p, "%"), 64)
		require.NoError(t, err)
		total += v
	}
	return fmt.Sprintf("%.2f%%", math.Round(total*10)/10)
}

func TestAdviceForEachClass(t *testing.T) {
	t.Parallel()
	seen := map[string]fault.Class{}
	for _, class := range []fault.Class{
		"", fault.Input, fault.Auth, fault.Overload, fault.Capacity, fault.Transport, fault.Preempted, fault.Budget,
	} {
		text := advice(class)
		assert.NotContains(t, seen, text, class)
		seen[text] = class
	}
}

// malicious is a report with text in every field that can come from outside.
func malicious(text string, data []byte) video.Report {
	stages := []video.StageTime{{Name: text, Frames: -1, Calls: math.MaxInt, BusyMS: math.MinInt64, StartMS: -5, EndMS: math.MaxInt64}}
	v := video.Section{
		Name: text, URI: text, Video: video.ID(text), Status: text, DurationMS: math.MaxInt64, Width: math.MaxInt, Height: 1,
		Frames: math.MinInt, Thumbnail: data, Stages: stages, TakenMS: []int64{math.MinInt64, math.MaxInt64},
		Sheet: []video.ContactFrame{{PTSMS: math.MinInt64, EndMS: math.MaxInt64, JPEG: data, Caption: text, OnScreenText: text}},
	}
	same := v
	same.Status = video.StatusUnchanged
	return video.Report{
		Title: text, Kind: text, Source: text, Profile: text, WorkflowID: text, RunID: text,
		Versions: []video.Version{{Name: text, Value: text}}, Totals: video.Totals{Failed: -1, Videos: math.MaxInt, CostUSD: math.NaN()},
		Stages: stages, Videos: []video.Section{v, same}, OmittedVideos: -1, MoreFailures: -1,
		Failures: []video.Failure{{URI: text, Stage: text, Class: text, Reason: text}},
	}
}

func checkSelfContained(t testing.TB, page string) {
	t.Helper()
	reporttest.SelfContained(t, page, report.Style)
}

func TestMaliciousText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</style><b>x`, `</title></textarea><b>x`,
		`javascript:alert(1)`, `https://evil.example/x.png`, `{{.CSS}}`, `<!-- -->`, `]]><b>x`, "\x00<b>x", "<\x00script>", "\u202e<b>x", "url(//evil.example)",
	} {
		page := render(t, malicious(text, []byte("GIF89a")))
		checkSelfContained(t, page)
		for _, raw := range []string{"<script", "<img src=x", "<b>x", "</style><b", "\x00", "\u202e"} {
			require.NotContains(t, page, raw, "%q", text)
		}
	}
}

func TestMaliciousLength(t *testing.T) {
	t.Parallel()
	long := render(t, malicious(strings.Repeat("A", 10_000)+"\u202e", nil))
	assert.Less(t, len(long), 60_000)
	assert.NotContains(t, long, strings.Repeat("A", report.MaxReason+1))
}

func TestNoSecrets(t *testing.T) {
	t.Parallel()
	uri := "https://ann:hunter2@host/a.mp4?sig=hunter2"
	page := render(t, video.Report{Source: uri, Videos: []video.Section{{URI: uri}}, Failures: []video.Failure{{URI: uri}}})
	assert.NotContains(t, page, "hunter2")
	assert.Contains(t, page, "a.mp4")
}

func FuzzRender(f *testing.F) {
	f.Add("<script>", dot)
	f.Add("\u202e\x00'\"`=", []byte("\xff\xd8"))
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		page := render(t, malicious(text, data))
		checkSelfContained(t, page)
		require.NotContains(t, page, "\x00")
		require.True(t, strings.HasSuffix(page, "</html>\n"))
	})
}

func TestSelfContained(t *testing.T) {
	t.Parallel()
	checkSelfContained(t, render(t, sample()))
	checkSelfContained(t, render(t, video.Report{}))
}

// TestSize: a full report with detailed pictures has about 5 MB.
func TestSize(t *testing.T) {
	t.Parallel()
	const videos = video.MaxReportVideos / 5 // fewer videos are enough: the result is bytes per video
	img, rng := image.NewGray(image.Rect(0, 0, 640, 360)), rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = byte(60 + i%640/8 + rng.IntN(60))
	}
	var busy bytes.Buffer
	require.NoError(t, jpeg.Encode(&busy, img, nil))
	small, err := report.Thumb(busy.Bytes(), ThumbWidth)
	require.NoError(t, err)

	r := sample()
	v := r.Videos[0]
	v.DurationMS, v.Frames, v.Thumbnail, v.TakenMS = 20_000_000, 20_000, small, nil
	for i := range 20_000 {
		v.TakenMS = append(v.TakenMS, int64(i)*1000)
	}
	v.Sheet = nil
	for range video.SheetFrames(video.MaxReportVideos) {
		v.Sheet = append(v.Sheet, video.ContactFrame{PTSMS: 7, JPEG: small, Caption: strings.Repeat("word ", 100)})
	}
	r.Videos = nil
	for range videos {
		r.Videos = append(r.Videos, v)
	}
	page := render(t, r)
	t.Logf("%d bytes per video, of them %d in the larger picture", len(page)/videos, len(small))
	assert.Less(t, len(page)/videos, 26_000)
	assert.NotContains(t, page, " open>", "many videos are closed")
}

func TestRenderPassesOnWriteErrors(t *testing.T) {
	t.Parallel()
	err := Render(reporttest.BrokenWriter{Err: io.ErrShortWrite}, sample())
	require.ErrorIs(t, err, io.ErrShortWrite)
	assert.Equal(t, fault.Transport, fault.ClassOf(err))
	full := fault.New(fault.Capacity, "write object", "k", "disk full")
	assert.True(t, errors.Is(Render(reporttest.BrokenWriter{Err: full}, sample()), full))
}

// TestUnusable: answers that are not captions are counted, and a setting to correct is a notice.
func TestUnusable(t *testing.T) {
	t.Parallel()
	r := sample()
	r.Unusable = []outcome.Group{
		{Role: "describe", Reason: outcome.Truncated, Answers: 40, Of: 90, Samples: []string{"a.mp4 at 1s: A <b>boat on", "b.mp4 at 2s: A man"}},
		{Role: "describe", Reason: outcome.Filter, Answers: 2, Of: 90},
	}
	page := render(t, r)
	require.Contains(t, page, "<strong>Warning:</strong> describe: 40 of 90 answers were truncated by max_tokens; raise max_tokens of this model, or turn its thinking off.")
	require.Contains(t, page, "describe: 40 of 90 answers were truncated by max_tokens, such as: &#34;a.mp4 at 1s: A &lt;b&gt;boat on&#34;; and: &#34;b.mp4 at 2s: A man&#34;. These frames have no caption.")
	require.Contains(t, page, "describe: 2 of 90 answers were stopped by the endpoint&#39;s content filter. These frames have no caption.")
	r.Unusable = r.Unusable[1:]
	require.NotContains(t, render(t, r), "Warning:")
}
