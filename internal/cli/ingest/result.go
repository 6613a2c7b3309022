package ingest

import (
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

func (a app) printLibrary(id string, r ingest.LibraryResult) {
	if r.Estimate != nil {
		a.printEstimate(r)
	} else {
		a.Say("%s: %d indexed, %d unchanged, %d failed", format.Count(r.Videos, "video", "videos"), r.Indexed, r.Unchanged, r.Failed)
		a.Say("%s, %s, %s (%d repeated), %s", format.Count(r.Frames, "frame", "frames"),
			format.Count(r.Documents, "document", "documents"), format.Count(r.DescribeCalls, "describe call", "describe calls"), r.RepeatedCalls, format.Dollars(r.CostUSD))
	}
	if r.Skipped > 0 {
		a.Say("%s skipped: the file name is not that of a video", format.Count(r.Skipped, "file", "files"))
	}
	a.printRefused(r.Refused)
	a.PrintUnusable(r.Warnings, r.Unusable)
	a.printFailures(r.Failures, r.Failed)
	if r.Report != "" {
		a.Say("Report: cogflow report %s", id)
	}
}

func (a app) printEstimate(r ingest.LibraryResult) {
	e := r.Estimate
	a.SayPlaced(e.Placed)
	seconds := "unknown; nothing was measured yet"
	switch {
	case e.Seconds > 0:
		seconds = "about " + format.Span(time.Duration(e.Seconds*float64(time.Second)))
	case e.Calls == 0:
		seconds = "0s"
	}
	most := ""
	if e.AtMost {
		most = "at most "
	}
	cli.WriteTable(a.Out, 0, []cli.Column{{Name: "dry run"}, {Name: ""}}, [][]string{
		{"videos", strconv.Itoa(r.Videos)},
		{"unchanged", strconv.Itoa(r.Unchanged)},
		{"failed", strconv.Itoa(r.Failed)},
		{"bytes", humanize.IBytes(uint64(max(e.Bytes, 0)))},
		{"play time", format.Span(time.Duration(e.DurationMS) * time.Millisecond)},
		{"frames", most + humanize.Comma(int64(e.Frames))},
		{"model calls", most + humanize.Comma(int64(e.Calls))},
		{"time", seconds},
		{"cost", most + format.Dollars(e.CostUSD)},
	})
	if r.Unchanged > 0 && r.Unchanged < r.Videos {
		a.Say("The numbers cover the new and changed videos only.")
	}
	if e.Unread > 0 {
		a.Say("%s not read completely and counted as new. A video whose content is already indexed costs nothing.", format.Count(e.Unread, "video was", "videos were"))
	}
	if e.Unprobed > 0 {
		a.Say("%s only after a download, which a dry run does not make. No number includes them.", format.Count(e.Unprobed, "video can be described", "videos can be described"))
	}
	if e.Reindexed > 0 {
		a.Say("%s missing from the index: a run indexes them again from stored results, at no cost.", format.Count(e.Reindexed, "video is", "videos are"))
	}
	if e.Unpriced {
		a.Say("The cost leaves out a model without a price; set its price in the configuration.")
	}
	a.Say("Nothing was written.")
}

func (a app) printVideo(id string, r ingest.VideoResult) {
	a.Say("%s: %s", r.Name, r.Status)
	a.Say("%s, %s, %s (%d repeated), %s", format.Count(r.Frames, "frame", "frames"),
		format.Count(r.Documents, "document", "documents"), format.Count(r.DescribeCalls, "describe call", "describe calls"), r.RepeatedCalls, format.Dollars(r.CostUSD))
	if r.Sidecar != "" {
		a.Say("Speech: %s from %s", format.Count(r.Passages, "passage", "passages"), r.Sidecar)
	}
	if r.Duplicates > 0 {
		a.Say("%s dropped: they look like the one before", format.Count(r.Duplicates, "frame", "frames"))
	}
	if r.Blank > 0 {
		a.Say("%s left out: all pictures are plain, blurred or test pictures", format.Count(r.Blank, "shot", "shots"))
	}
	a.printRefused(r.Refused)
	a.PrintUnusable(r.Warnings, r.Unusable)
	if r.Capped {
		a.Say("The profile's max_frames cut the rest of the video off.")
	}
	if r.DecodeErrors > 0 {
		a.Say("%s in the file skipped", format.Count(r.DecodeErrors, "damaged place", "damaged places"))
	}
	if r.Report != "" {
		a.Say("Report: cogflow report %s", id)
	}
}

func (a app) printRefused(n int) {
	if n > 0 {
		a.Say("%s refused by a model: left out, or without a caption or words", format.Count(n, "frame or piece of sound", "frames or pieces of sound"))
	}
}

// printFailures prints the failures in a result. If total is larger, it also prints how many
// are missing.
func (a app) printFailures(failures []video.Failure, total int) {
	if len(failures) == 0 {
		return
	}
	rows := make([][]string, len(failures))
	for i, f := range failures {
		name := f.URI
		if !a.Wide {
			name = format.BaseName(name)
		}
		rows[i] = []string{name, f.Stage, f.Class, f.Reason}
	}
	a.Say("")
	a.Table([]cli.Column{{Name: "failed"}, {Name: "stage"}, {Name: "class"}, {Name: "reason", Wrap: true}}, rows)
	if total > len(failures) {
		a.Say("and %d more: cogflow list --kind IngestVideo --status failed", total-len(failures))
	}
}
