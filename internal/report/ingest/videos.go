package ingest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image/jpeg"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/video"
)

// openVideos is the maximum number of videos for which the contact sheets are open.
const openVideos = 12

type videoView struct {
	Anchor      string
	Name, Place string
	ID          string
	Status      string
	Tone        string
	Length      string
	Size        string
	Frames      string
	Documents   string
	Thumb       template.URL
	Ratio       float64 // width by height of the cells
	Open        bool
	Chips       []string
	Warnings    []warning
	Bars        []bar
	BarsLabel   string
	Stages      []stageLine
	Strip       *strip
	Sheet       []cell
	Omitted     int
}

type stageLine struct {
	Color      int
	Name, Text string
}

type cell struct {
	Image    template.URL
	At       string
	Alt      string
	Caption  string
	OnScreen string
}

func newVideo(v video.Section, n int, total int64, c *colors) videoView {
	view := videoView{
		Anchor: fmt.Sprintf("video-%d", n), Name: videoName(v), Place: report.Place(v.URI),
		ID: report.Clean(string(v.Video), report.MaxName), Status: report.Clean(v.Status, report.MaxLabel), Tone: tone(v.Status),
		Length: report.Absent, Frames: report.Count(v.Frames), Documents: report.Count(v.Documents),
		Thumb: picture(v.Thumbnail, miniWidth), Ratio: ratio(v.Width, v.Height),
		Warnings: warnings(v), Bars: bars(v.Stages, total, c), Strip: newStrip(v), Omitted: v.Omitted(),
	}
	if v.DurationMS > 0 {
		view.Length = report.Span(v.DurationMS)
		view.Chips = append(view.Chips, view.Length)
	}
	if v.Width > 0 && v.Height > 0 {
		view.Size = fmt.Sprintf("%d × %d", v.Width, v.Height)
		view.Chips = append(view.Chips, view.Size)
	}
	view.Chips = append(view.Chips, report.Plural(v.Frames, "frame"))
	for _, s := range v.Stages {
		line := stageLine{Color: c.of(s.Name), Name: report.Clean(s.Name, report.MaxLabel), Text: report.Span(s.WallMS())}
		if s.Frames > 0 && s.WallMS() > 0 {
			line.Text += ", " + report.Rate(s.FramesPerSecond()) + " frames/s"
		}
		view.Stages = append(view.Stages, line)
	}
	view.BarsLabel = fmt.Sprintf("When the stages of %s ran within the whole run", view.Name)
	for _, f := range v.Sheet {
		view.Sheet = append(view.Sheet, newCell(f))
		if view.Thumb == "" {
			view.Thumb = picture(f.JPEG, miniWidth)
		}
	}
	return view
}

func newCell(f video.ContactFrame) cell {
	return cell{
		Image: picture(f.JPEG, ThumbWidth), At: stamp(f.PTSMS), Alt: "Frame at " + stamp(f.PTSMS),
		Caption: report.Clean(f.Caption, report.MaxCaption), OnScreen: report.Clean(f.OnScreenText, report.MaxCaption),
	}
}

func videoName(v video.Section) string {
	if name := report.CleanPath(v.Name, report.MaxName); name != "" {
		return name
	}
	if name := report.Base(report.Place(v.URI)); name != "" {
		return name
	}
	return "(no name)"
}

func tone(status string) string {
	switch status {
	case video.StatusIndexed:
		return "good"
	case video.StatusFailed:
		return "bad"
	}
	return "calm"
}

// picture is a data URI of a JPEG that is at most width pixels wide and high. It is empty
// if data is not a JPEG; the page then shows "no picture".
func picture(data []byte, width int) template.URL {
	head, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err == nil && max(head.Width, head.Height) > width {
		data, err = report.Thumb(data, width)
	}
	if err != nil {
		return ""
	}
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(data))
}

// ratio limits the height of cells of upright videos.
func ratio(w, h int) float64 {
	if w <= 0 || h <= 0 {
		return 16.0 / 9
	}
	return min(2.4, max(0.8, float64(w)/float64(h)))
}

type warning struct{ Tone, Text string }

func warnings(v video.Section) []warning {
	var out []warning
	if v.Capped {
		out = append(out, warning{"warn", "Cut off after " + report.Plural(v.Frames, "frame") +
			": the profile's max_frames was reached. Later parts of the video cannot be found."})
	}
	if v.DecodeErrors > 0 {
		out = append(out, warning{"warn", report.Plural(v.DecodeErrors, "damaged place") + " could not be decoded."})
	}
	if v.Duplicates > 0 {
		out = append(out, warning{"calm", report.Plural(v.Duplicates, "near-duplicate frame") + " dropped: each looked like the previous kept frame."})
	}
	if v.Blank > 0 {
		out = append(out, warning{"calm", report.Plural(v.Blank, "shot") + " left out: all pictures are plain, blurred or test pictures."})
	}
	if v.Sidecar != "" {
		out = append(out, warning{"calm", "The speech was read from the subtitles in " + report.CleanPath(v.Sidecar, report.MaxName) + "."})
	}
	return out
}

type failureRow struct{ Name, Place, Stage, Class, Reason, Advice string }

func failures(list []video.Failure) []failureRow {
	out := make([]failureRow, 0, len(list))
	for _, f := range list {
		row := failureRow{
			Place: report.Place(f.URI), Stage: report.Clean(f.Stage, report.MaxLabel), Class: report.Clean(f.Class, report.MaxLabel),
			Reason: report.Clean(f.Reason, report.MaxReason), Advice: advice(fault.Class(f.Class)),
		}
		if row.Name = report.Base(row.Place); row.Name == "" {
			row.Name = "(no name)"
		}
		if row.Class == "" {
			row.Class = "unclassified"
		}
		out = append(out, row)
	}
	return out
}

// advice is the recommended action for a class of failures.
func advice(class fault.Class) string {
	switch class {
	case fault.Input:
		return "The file or request is invalid and was not retried. Repair or replace it, then ingest again; finished videos are skipped."
	case fault.Auth:
		return "A credential is missing or was rejected. Set or renew the one that the reason names, then redrive."
	case fault.Overload:
		return "The service was overloaded. Redrive later, or with a lower concurrency."
	case fault.Capacity:
		return "A disk was full, or no worker of the class was available. Free disk space or start a worker, then redrive."
	case fault.Transport:
		return "The service could not be reached, or the connection broke. Check it with cogflow health, then redrive."
	case fault.Preempted:
		return "The worker was stopped. Redrive: the run continues from what is stored."
	case fault.Budget:
		return "The budget is used up. Raise it, then redrive; what is stored is not paid for again."
	}
	return "The error has no class. Open the workflow in the Temporal Web UI, and report it if it is a bug."
}
