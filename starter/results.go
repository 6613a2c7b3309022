package main

import (
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

func (a *App) printLibrary(id string, r workflows.IngestLibraryResult) {
	if r.Estimate != nil {
		a.printEstimate(r)
	} else {
		a.say("%s: %d indexed, %d unchanged, %d failed", count(r.Videos, "video", "videos"), r.Indexed, r.Unchanged, r.Failed)
		a.say("%s, %s, %s to the describer (%d repeated), %s", count(r.Frames, "frame", "frames"),
			count(r.Documents, "document", "documents"), count(r.DescribeCalls, "call", "calls"), r.RepeatedCalls, dollars(r.CostUSD))
	}
	if r.Skipped > 0 {
		a.say("%s passed over: no videos by their names", count(r.Skipped, "file", "files"))
	}
	a.printRefused(r.Refused)
	a.printFailures(r.Failures, r.Failed)
	if r.Report != "" {
		a.say("Report: cogflow report %s", id)
	}
}

func (a *App) printEstimate(r workflows.IngestLibraryResult) {
	e := r.Estimate
	seconds := "unknown, nothing was measured yet"
	if e.Seconds > 0 {
		seconds = "about " + span(time.Duration(e.Seconds*float64(time.Second)))
	}
	writeTable(a.Out, 0, []column{{name: "dry run"}, {name: ""}}, [][]string{
		{"videos", strconv.Itoa(r.Videos)},
		{"unchanged", strconv.Itoa(r.Unchanged)},
		{"failed", strconv.Itoa(r.Failed)},
		{"bytes", humanize.IBytes(uint64(max(e.Bytes, 0)))},
		{"play time", span(time.Duration(e.DurationMS) * time.Millisecond)},
		{"frames", "at most " + humanize.Comma(int64(e.Frames))},
		{"time", seconds},
		{"cost", dollars(e.CostUSD)},
	})
	a.say("Nothing was written.")
}

func (a *App) printVideo(id string, r workflows.IngestVideoResult) {
	a.say("%s: %s", r.Name, r.Status)
	a.say("%s, %s, %s to the describer (%d repeated), %s", count(r.Frames, "frame", "frames"),
		count(r.Documents, "document", "documents"), count(r.DescribeCalls, "call", "calls"), r.RepeatedCalls, dollars(r.CostUSD))
	if r.Duplicates > 0 {
		a.say("%s dropped: they look like the one before", count(r.Duplicates, "frame", "frames"))
	}
	a.printRefused(r.Refused)
	if r.Capped {
		a.say("The profile's max_frames cut the rest of the video off.")
	}
	if r.DecodeErrors > 0 {
		a.say("%s in the file skipped", count(r.DecodeErrors, "damaged place", "damaged places"))
	}
	if r.Report != "" {
		a.say("Report: cogflow report %s", id)
	}
}

func (a *App) printRefused(n int) {
	if n > 0 {
		a.say("%s refused by a model: left out, or without a caption or words", count(n, "frame or piece of sound", "frames or pieces of sound"))
	}
}

// printFailures prints the failures that a result carries, of total.
func (a *App) printFailures(failures []video.Failure, total int) {
	if len(failures) == 0 {
		return
	}
	rows := make([][]string, len(failures))
	for i, f := range failures {
		name := f.URI
		if !a.Wide {
			name = baseName(name)
		}
		rows[i] = []string{name, f.Stage, f.Class, f.Reason}
	}
	a.say("")
	a.table([]column{{name: "failed"}, {name: "stage"}, {name: "class"}, {name: "reason", flex: true}}, rows)
	if total > len(failures) {
		a.say("and %d more: cogflow list --kind IngestVideo --status failed", total-len(failures))
	}
}
