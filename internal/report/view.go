package report

import (
	"html/template"
	"strings"

	"github.com/cogniverse/cogflow/video"
)

// page is what the template prints. Every string in it is clean already.
type page struct {
	CSS           template.CSS
	Title         string
	Outcome       outcome
	Facts         []pair
	Tiles         []tile
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
	Foot          []pair
}

type (
	pair    struct{ Name, Value string }
	tile    struct{ Value, Label, Note, Tone string }
	share   struct{ Tone, X, Width, Label string }
	outcome struct{ Tone, Text string }
	legend  struct {
		Name  string
		Color int
	}
)

func newPage(r video.Report) page {
	c := &colors{}
	total := runLength(r)
	p := page{
		CSS: template.CSS(style), Title: title(r), Outcome: verdict(r.Totals), Facts: facts(r, total),
		Tiles: tiles(r, total), Shares: shares(r.Totals), Preview: r.Preview, Unsandboxed: r.Unsandboxed,
		Failures: failures(r.Failures), MoreFailures: max(0, r.MoreFailures),
		Gantt:         newGantt(r.Stages, total, c),
		OmittedVideos: max(0, r.OmittedVideos), Again: again(r.WorkflowID), Foot: foot(r),
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
	if t := clean(r.Title, maxName); t != "" {
		return t
	}
	if name := base(place(r.Source)); name != "" {
		return name
	}
	return "Ingest run"
}

func verdict(t video.Totals) outcome {
	switch {
	case t.Failed > 0 && t.Indexed+t.Unchanged == 0:
		return outcome{"bad", "Failed"}
	case t.Failed > 0:
		return outcome{"warn", "Finished, " + count(t.Failed) + " failed"}
	case t.Videos == 0:
		return outcome{"calm", "No videos found"}
	case t.Indexed == 0:
		return outcome{"good", "Up to date"}
	}
	return outcome{"good", "Complete"}
}

func facts(r video.Report, total int64) []pair {
	list := []pair{
		{"Source", place(r.Source)},
		{"Profile", clean(r.Profile, maxName)},
		{"Tenant", clean(string(r.Tenant), maxName)},
		{"Started", moment(r.Started)},
	}
	if total > 0 {
		list = append(list, pair{"Took", span(total)})
	}
	return known(list)
}

// known leaves out the pairs that say nothing.
func known(list []pair) []pair {
	kept := list[:0]
	for _, p := range list {
		if p.Value != "" && p.Value != absent {
			kept = append(kept, p)
		}
	}
	return kept
}

func tiles(r video.Report, total int64) []tile {
	t := r.Totals
	speed := ""
	if t.Frames > 0 && total > 0 {
		speed = rate(float64(t.Frames)*1000/float64(total)) + " frames/s"
	}
	repeated := ""
	if t.RepeatedCalls > 0 {
		repeated = count(t.RepeatedCalls) + " repeated"
	}
	skipped := ""
	if t.Skipped > 0 {
		skipped = plural(t.Skipped, "other file") + " passed over"
	}
	failed := tile{Value: count(t.Failed), Label: "failed"}
	if t.Failed > 0 {
		failed.Tone = "bad"
	}
	return []tile{
		{Value: count(t.Videos), Label: "videos", Note: skipped},
		{Value: count(t.Indexed), Label: "indexed"},
		{Value: count(t.Unchanged), Label: "unchanged"},
		failed,
		{Value: count(t.Frames), Label: "frames", Note: speed},
		{Value: count(t.Documents), Label: "documents"},
		{Value: count(t.DescribeCalls), Label: "describe calls", Note: repeated},
		{Value: usd(t.CostUSD), Label: "cost"},
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
		out = append(out, share{s.tone, percent(part(at, all)), percent(part(int64(s.n), all)), count(s.n) + " " + s.label})
		at += int64(s.n)
	}
	return out
}

func legends(c *colors) []legend {
	out := make([]legend, len(c.stages))
	for i, name := range c.stages {
		out[i] = legend{clean(name, maxLabel), c.of(name)}
	}
	return out
}

func foot(r video.Report) []pair {
	list := []pair{
		{"Workflow", clean(r.Kind, maxName)},
		{"Workflow id", clean(r.WorkflowID, maxReason)},
		{"Run id", clean(r.RunID, maxName)},
		{"Ended", moment(r.Ended)},
	}
	for _, v := range r.Versions {
		list = append(list, pair{clean(v.Name, maxName), clean(v.Value, maxName)})
	}
	return known(list)
}

// again is the command that finishes or repeats the run; empty when the id
// cannot be shown as it is, since a command for another run would be worse.
func again(id string) string {
	if id == "" || clean(id, maxReason) != id {
		return ""
	}
	if strings.HasPrefix(id, "-") {
		return "cogflow redrive -- " + quote(id)
	}
	return "cogflow redrive " + quote(id)
}
