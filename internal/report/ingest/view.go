package ingest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
)

// page is the data of the template. Every string in it is already cleaned.
type page struct {
	report.Head
	Tiles         []report.Tile
	Shares        []share
	Notes         []string // reasons why totals differ from the sums of the page
	Warnings      []string // settings to correct
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

// share is a part of the bar under the tiles; legend is a stage and its color.
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
		Head:  report.NewHead("ingest report", title(r), []report.Badge{verdict(r.Totals)}, about(r)),
		Tiles: tiles(r, total), Shares: shares(r.Totals), Notes: append(unusable(r), sums(r)...), Warnings: fixes(r), Preview: r.Preview, Unsandboxed: r.Unsandboxed,
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

func about(r video.Report) report.About {
	out := report.About{
		First: []report.Pair{{Name: "Source", Value: report.Place(r.Source)}}, Profile: r.Profile, Index: r.Index,
		Tenant: string(r.Tenant), Started: r.Started, Ended: r.Ended, Run: r.RunID,
	}
	for _, v := range r.Versions {
		switch v.Name {
		case "cogflow":
			out.Version = v.Value
		case "describe", "embed", "transcribe":
			out.Models = append(out.Models, report.Pair{Name: strings.ToUpper(v.Name[:1]) + v.Name[1:] + " model", Value: v.Value})
		}
	}
	return out
}

// fixes recommend changes of settings.
func fixes(r video.Report) (out []string) {
	for _, w := range outcome.Warnings(r.Unusable) {
		out = append(out, report.Clean(w, report.MaxReason)+".")
	}
	return out
}

// unusable counts the answers that are not captions, with examples.
func unusable(r video.Report) (out []string) {
	for _, g := range r.Unusable {
		text := report.Clean(g.Text(), report.MaxReason)
		var samples []string
		for _, sample := range g.Samples {
			samples = append(samples, strconv.Quote(report.Clean(sample, report.MaxReason)))
		}
		if len(samples) > 0 {
			text += ", such as: " + strings.Join(samples, "; and: ")
		}
		out = append(out, text+". These frames have no caption.")
	}
	return out
}

// sums are the reasons why totals at the head of the page differ from the sums of its lists,
// if they differ.
func sums(r video.Report) []string {
	t := r.Totals
	var out []string
	if open := t.Videos - t.Indexed - t.Unchanged - t.Failed; open > 0 {
		out = append(out, report.Plural(open, "video")+" of the "+report.Count(t.Videos)+" did not finish: the run was stopped first.")
	}
	indexed, frames, documents := 0, 0, 0
	for _, v := range r.Videos {
		if v.Status == video.StatusIndexed {
			indexed, frames, documents = indexed+1, frames+v.Frames, documents+v.Documents
		}
	}
	if indexed != t.Indexed || frames != t.Frames || documents != t.Documents {
		why := "other videos are not shown."
		if indexed >= t.Indexed {
			why = "videos that were ingested again since have other frames now."
		}
		out = append(out, fmt.Sprintf("The page lists %s with %s and %s: %s",
			report.Plural(indexed, "indexed video"), report.Plural(frames, "frame"), report.Plural(documents, "document"), why))
	}
	return out
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

// shares is the bar under the tiles: the outcomes of the videos.
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
		{Name: "Ended", Value: report.Moment(r.Ended)},
	}
	for _, v := range r.Versions {
		if !slices.Contains([]string{"cogflow", "describe", "embed", "transcribe"}, v.Name) {
			list = append(list, report.Pair{Name: report.Clean(v.Name, report.MaxName), Value: report.Clean(v.Value, report.MaxName)})
		}
	}
	return report.Known(list)
}
