package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"
	"github.com/vbauerster/mpb/v8"
)

func cells(s string) int { return text.StringWidthWithoutEscSequences(s) }

// TestShorten: the last parts are removed first, and no text exceeds its width.
func TestShorten(t *testing.T) {
	t.Parallel()
	const steps = "train 10/540 steps, ETA 35m0s, loss 2.5000, 760 tokens/s, $0.0030, on a10g"
	for _, c := range []struct {
		text  string
		cells int
		want  string
	}{
		{steps, 100, steps},
		{steps, 34, "train 10/540 steps, ETA 35m0s"},
		{steps, 20, "train 10/540 steps"},
		{steps, 9, "train 10…"},
		{"train (waits: 3m12s for a worker of queue train-l40s), on l40s", 34, "train (waits: 3m12s for a worker …"},
		{"視聴者からの質問に答える, ETA 5s", 24, "視聴者からの質問に答える"},
		{"視聴者からの質問に答える", 9, "視聴者か…"},
	} {
		got := shorten(c.text, c.cells)
		require.Equal(t, c.want, got)
		require.LessOrEqual(t, cells(got), c.cells)
	}
}

// moment is a progress with bars of all kinds.
type moment struct{ Progress }

func (moment) Change() string     { return "" }
func (moment) Line() string       { return "" }
func (moment) Failures() []string { return nil }

func (moment) Bars() []Bar {
	return []Bar{
		{Name: "videos", Done: 12, Total: 60, Text: "12/60 videos, 2 failed, ETA 1m8s, 7.4 frames/s, $0.31"},
		{Key: "a", Name: "a.mp4", Done: 500, Total: 1000, Text: "describe 50/100 frames, ETA 6s, 8.3 frames/s"},
		{Key: "b", Name: strings.Repeat("視聴者からの質問に答える会", 5) + ".mp4", Text: strings.Repeat("広い文字", 40)},
		{Key: "c", Name: "c.mp4", Text: "describe (waits: 3m12s for a worker of queue describe-a100-80gb)"},
	}
}

// TestBarsDoNotWrap: at every width a bar takes one line and shows the most important parts.
func TestBarsDoNotWrap(t *testing.T) {
	t.Parallel()
	escapes := regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)
	for _, width := range []int{20, 60, 80, 100, 160} {
		var out bytes.Buffer
		refresh := make(chan any)
		b := newBars(mpb.WithOutput(&out), mpb.WithWidth(width), mpb.WithManualRefresh(refresh))
		b.Show(moment{}, false)
		refresh <- time.Now()
		refresh <- time.Now() // draws the first bars
		b.End()
		drawn := escapes.ReplaceAllString(out.String(), "")
		for line := range strings.Lines(drawn) {
			require.LessOrEqual(t, cells(strings.TrimRight(line, "\n")), width, "%d: %s", width, line)
		}
		if width >= 60 {
			require.Contains(t, drawn, "12/60 videos, 2 failed, ETA 1m8s", "%d", width)
			require.Contains(t, drawn, "describe 50/100 frames, ETA 6s", "%d", width)
			require.Contains(t, drawn, "describe (waits: 3m12s for", "%d", width)
			require.Contains(t, drawn, "==", "there is a bar")
		}
	}
}

// TestTablesDoNotWrap: rows are at most as wide as the terminal; numbers and ids are not cut.
func TestTablesDoNotWrap(t *testing.T) {
	t.Parallel()
	columns := []Column{
		{Name: "status"}, {Name: "kind"}, {Name: "name", Flex: true}, {Name: "id", Below: true}, {Name: "started"}, {Name: "took", Right: true},
	}
	const id = "ingest-acme-local_preview-0123456789ab"
	rows := func() [][]string {
		return [][]string{
			{"running", "IngestLibrary", "videos", id, "1m30s ago", "1m30s"},
			{"timed out", "OptimizePrompts", strings.Repeat("視聴者", 30), "optimize-default-agentic-router-0123456789ab", "3 days ago", "12345 days"},
		}
	}
	for _, width := range []int{60, 80, 100, 160} {
		var out bytes.Buffer
		WriteTable(&out, width, columns, rows())
		require.Contains(t, out.String(), id)
		require.Contains(t, out.String(), "12345 days")
		lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
		for _, line := range lines {
			require.LessOrEqual(t, cells(line), width, "%d: %s", width, line)
		}
		require.Len(t, lines, map[bool]int{true: 5, false: 3}[width < 120], "%d:\n%s", width, out.String())
	}
	var out bytes.Buffer
	WriteTable(&out, 0, columns, rows())
	require.Contains(t, out.String(), strings.Repeat("視聴者", 30), "without a terminal nothing is cut")
}

// TestSentencesWrap: sentences with advice are wrapped and never cut, and no line is wider than
// the terminal.
func TestSentencesWrap(t *testing.T) {
	t.Parallel()
	columns := []Column{{Name: "status"}, {Name: "part", Flex: true}, {Name: "detail", Wrap: true}}
	const advice = "no worker serves it: `make up` starts one here, 2 tasks wait; 視聴者からの質問に答える, https://example.com/a/very/long/address/without/any/space/in/it ends here"
	for _, width := range []int{40, 60, 80, 100, 160} {
		var out bytes.Buffer
		WriteTable(&out, width, columns, [][]string{{"ok", "temporal", "connected"}, {"fail", "queue describe-a100-80gb", advice}})
		said := ""
		for line := range strings.Lines(out.String()) {
			require.LessOrEqual(t, cells(strings.TrimRight(line, "\n")), width, "%d: %s", width, line)
			said += strings.TrimSpace(line)
		}
		require.Contains(t, said, "ends here", "%d:\n%s", width, out.String())
		require.NotContains(t, out.String(), "…/", "%d", width)
		if width >= 60 {
			require.NotContains(t, out.String(), "…", "%d:\n%s", width, out.String())
		}
	}
	var out bytes.Buffer
	WriteTable(&out, 0, columns, [][]string{{"fail", "index", advice}})
	require.Contains(t, out.String(), advice, "no terminal, one line")
}
