package ingest

import (
	"html/template"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/video"
)

// page is what the template prints. Every string in it is clean already.
type page struct {
	CSS           template.CSS
	Title         string
	Outcome       report.Badge
	Facts         []report.Pair
	Tiles         []report.Tile
	Shares        []share
	Preview       bool
	Unsandboxed   bool
	Failures      []failureRow
	MoreFailures  int
	Gantt         *gantt
	Legend        []legend
	Videos        []videoView
	Unchanged     []videoView
	OmittedVideos int
	Again         string
	Foot          []report.Pair
}

// share is a part of the bar under the tiles, and legend a stage and its color.
type (
	share  struct{ Tone, X, Width, Label string }
	legend struct {
		Name  string
		Color int
	}
)

func newPage(r video.Report) page {
	c := &colors{}
	total := runLength(r)
	p := page{
		CSS: template.CSS(report.Style), Title: title(r), Outcome: verdict(r.Totals), Facts: facts(r, total),
		Tiles: tiles(r, total), Shares: shares(r.Totals), Preview: r.Preview, Unsandboxed: r.Unsandboxed,
		Failures: failures(r.Failures), MoreFailures: max(0, r.MoreFailures),
		Gantt:         newGantt(r.Stages, total, c),
		OmittedVideos: max(0, r.OmittedVideos), Again: report.Again(r.WorkflowID), Foot: foot(r),
	}
	for _, v := range r.Videos {
		view := newVideo(v, len(p.Videos)+1, total, c)
		if v.Status == video.StatusUnchanged {
			p.Unchanged = append(p.Unchanged, view)
			continue
		}
		p.Videos = append(p.Videos, view)
	}
	for i := range p.Videos {
		p.Videos[i].Open = len(p.Videos) <= openVideos
	}
	p.Legend = legends(c)
	return p
}

// runLength is the time that the plots span, in milliseconds.
func runLength(r video.Report) int64 {
	total := int64(0)
	if !r.Started.IsZero() && r.Ended.After(r.Started) {
		total = r.Ended.Sub(r.Started).Milliseconds()
	}
	for _, s := range r.Stages {
		total = max(total, s.EndMS)
	}
	for _, v := range r.Videos {
		for _, s := range v.Stages {
			total = max(total, s.EndMS)
		}
	}
	return total
}

func title(r video.Report) string {
	if t := report.Clean(r.Title, report.MaxName); t != "" {
		return t
	}
	if name := report.Base(report.Place(r.Source)); name != "" {
		return name
	}
	return "Ingest run"
}

func verdict(t video.Totals) report.Badge {
	switch {
	case t.Failed > 0 && t.Indexed+t.Unchanged == 0:
		return report.Badge{Tone: "bad", Text: "Failed"}
	case t.Failed > 0:
		return report.Badge{Tone: "warn", Text: "Finished, " + report.Count(t.Failed) + " failed"}
	case t.Videos == 0:
		return report.Badge{Tone: "calm", Text: "No videos found"}
	case t.Indexed == 0:
		return report.Badge{Tone: "good", Text: "Up to date"}
	}
	return report.Badge{Tone: "good", Text: "Complete"}
}

func facts(r video.Report, total int64) []report.Pair {
	list := []report.Pair{
		{Name: "Source", Value: report.Place(r.Source)},
		{Name: "Profile", Value: report.Clean(r.Profile, report.MaxName)},
		{Name: "Tenant", Value: report.Clean(string(r.Tenant), report.MaxName)},
		{Name: "Started", Value: report.Moment(r.Started)},
	}
	if total > 0 {
		list = append(list, report.Pair{Name: "Took", Value: report.Span(total)})
	}
	return report.Known(list)
}

func tiles(r video.Report, total int64) []report.Tile {
	t := r.Totals
	speed := ""
	if t.Frames > 0 && total > 0 {
		speed = report.Rate(float64(t.Frames)*1000/float64(total)) + " frames/s"
	}
	repeated := ""
	if t.RepeatedCalls > 0 {
		repeated = report.Count(t.RepeatedCalls) + " repeated"
	}
	skipped := ""
	if t.Skipped > 0 {
		skipped = report.Plural(t.Skipped, "other file") + " skipped"
	}
	failed := report.Tile{Value: report.Count(t.Failed), Label: "failed"}
	if t.Failed > 0 {
		failed.Tone = "bad"
	}
	return []report.Tile{
		{Value: report.Count(t.Videos), Label: "videos", Note: skipped},
		{Value: report.Count(t.Indexed), Label: "indexed"},
		{Value: report.Count(t.Unchanged), Label: "unchanged"},
		failed,
		{Value: report.Count(t.Frames), Label: "frames", Note: speed},
		{Value: report.Count(t.Documents), Label: "documents"},
		{Value: report.Count(t.DescribeCalls), Label: "describe calls", Note: repeated},
		{Value: report.USD(t.CostUSD), Label: "cost"},
	}
}

// shares is the bar under the big numbers: how the videos ended.
func shares(t video.Totals) []share {
	var out []share
	all := int64(max(0, t.Indexed) + max(0, t.Unchanged) + max(0, t.Failed))
	at := int64(0)
	for _, s := range []struct {
		tone, label string
		n           int
	}{{"good", "indexed", t.Indexed}, {"calm", "unchanged", t.Unchanged}, {"bad", "failed", t.Failed}} {
		if s.n <= 0 {
			continue
		}
		out = append(out, share{s.tone, report.Percent(part(at, all)), report.Percent(part(int64(s.n), all)), report.Count(s.n) + " " + s.label})
		at += int64(s.n)
	}
	return out
}

func legends(c *colors) []legend {
	out := make([]legend, len(c.stages))
	for i, name := range c.stages {
		out[i] = legend{report.Clean(name, report.MaxLabel), c.of(name)}
	}
	return out
}

func foot(r video.Report) []report.Pair {
	list := []report.Pair{
		{Name: "Workflow", Value: report.Clean(r.Kind, report.MaxName)},
		{Name: "Workflow id", Value: report.Clean(r.WorkflowID, report.MaxReason)},
		{Name: "Run id", Value: report.Clean(r.RunID, report.MaxName)},
		{Name: "Ended", Value: report.Moment(r.Ended)},
	}
	for _, v := range r.Versions {
		list = append(list, report.Pair{Name: report.Clean(v.Name, report.MaxName), Value: report.Clean(v.Value, report.MaxName)})
	}
	return report.Known(list)
}
