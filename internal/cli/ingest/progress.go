package ingest

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// progress is the progress of a library or of one video at one moment.
type progress struct {
	at      time.Time
	library *ingest.LibraryProgress // nil = the job is one video
	videos  []row                   // active now

	meters meters // set by After
}

const maxShown = 8 // maximum number of videos on a terminal

// libraryProgress queries a library and its active videos.
func libraryProgress(ctx context.Context, q cli.Querier, id string) (cli.Progress, bool) {
	value, err := q.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
	if err != nil {
		return nil, false
	}
	p := &progress{at: time.Now(), library: new(ingest.LibraryProgress)}
	if value.Get(p.library) != nil {
		return nil, false
	}
	p.videos = takeVideos(ctx, q, p.library.Active)
	return p, true
}

// videoProgress queries one video.
func videoProgress(ctx context.Context, q cli.Querier, id string) (cli.Progress, bool) {
	value, err := q.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
	if err != nil {
		return nil, false
	}
	var v ingest.VideoProgress
	if value.Get(&v) != nil {
		return nil, false
	}
	return &progress{at: time.Now(), videos: []row{inFlight(ctx, q, id, v)}}, true
}

func takeVideos(ctx context.Context, q cli.Querier, active []ingest.ActiveVideo) []row {
	active = active[:min(len(active), maxShown)]
	all := make([]row, len(active))
	var group errgroup.Group
	for i, child := range active {
		all[i].VideoProgress = ingest.VideoProgress{URI: child.URI, Name: format.BaseName(child.URI), Stage: "waiting"}
		group.Go(func() error {
			var v ingest.VideoProgress
			// A child that has not started, or is closed, keeps the row above.
			if value, err := q.QueryWorkflow(ctx, child.WorkflowID, "", workflows.QueryProgress); err == nil && value.Get(&v) == nil {
				all[i] = inFlight(ctx, q, child.WorkflowID, v)
			}
			return nil
		})
	}
	_ = group.Wait() // the functions above return no error
	return all
}

// After takes over the counts and rates of the previous moment.
func (p *progress) After(last cli.Progress) {
	measured := newMeters()
	if l, ok := last.(*progress); ok {
		measured = l.meters
		for i := range p.videos {
			for _, before := range l.videos {
				if before.URI == p.videos[i].URI {
					p.videos[i].keep(before)
				}
			}
		}
	}
	measured.add(p)
	p.meters = measured
}

// Children returns the ids of the active videos, including those that an earlier run of the job started.
func (p *progress) Children() []string {
	if p.library == nil {
		return nil
	}
	ids := []string{}
	for _, child := range p.library.Active {
		ids = append(ids, child.WorkflowID)
	}
	return ids
}

// Change identifies a finished video, a new stage or a pause.
func (p *progress) Change() string {
	change := ""
	if l := p.library; l != nil {
		change = fmt.Sprint(l.Stage, l.Done, l.Failed, l.Paused, l.Videos)
	}
	for _, v := range p.videos {
		change += fmt.Sprint("|", v.URI, v.Stage, v.Paused, v.Waiting)
	}
	return change
}

// Line names the first videos only.
func (p *progress) Line() string {
	text := ""
	if p.library != nil {
		text = p.meters.libraryText(p.library)
	}
	for i, v := range p.videos {
		if i == 3 {
			return text + fmt.Sprintf("; and %d more", len(p.videos)-i)
		}
		if text != "" {
			text += "; "
		}
		text += title(v.VideoProgress) + ": " + p.meters.videoText(v)
	}
	return text
}

// barSteps is the resolution of the bar of a video.
const barSteps = 1000

// Bars returns one bar for the library and one for each active video.
func (p *progress) Bars() []cli.Bar {
	var all []cli.Bar
	if l := p.library; l != nil {
		all = append(all, cli.Bar{Name: format.BaseName(l.Source), Done: l.Done, Total: l.Videos, Text: p.meters.libraryText(l)})
	}
	for _, v := range p.videos {
		all = append(all, cli.Bar{
			Key: v.URI, Name: title(v.VideoProgress), Done: int(barSteps * p.meters.share(v)), Total: barSteps, Text: p.meters.videoText(v),
		})
	}
	return all
}

// Failures returns one line for each failed video.
func (p *progress) Failures() []string {
	if p.library == nil {
		return nil
	}
	texts := make([]string, len(p.library.Failures))
	for i, f := range p.library.Failures {
		texts[i] = failureText(f)
	}
	return texts
}

// JSON is the query result of the job.
func (p *progress) JSON() any {
	if p.library != nil {
		return p.library
	}
	return p.videos[0].VideoProgress
}

// Print prints the counts of the library and a table of its videos.
func (p *progress) Print(a *cli.App) {
	if p := p.library; p != nil {
		a.Say("%s: %d of %d videos (%d indexed, %d unchanged, %d failed), %d concurrently, %s",
			format.Stage(p.Stage, p.Paused, ""), p.Done, p.Videos, p.Indexed, p.Unchanged, p.Failed, p.Concurrency, format.Dollars(p.CostUSD))
		defer app{a}.printFailures(p.Failures, p.Failed)
		defer a.PrintUnusable(p.Warnings, p.Unusable)
	}
	rows := make([][]string, len(p.videos))
	for i, v := range p.videos {
		rows[i] = []string{
			title(v.VideoProgress), format.Stage(v.Stage, v.Paused, cmp.Or(v.BlockedBy, v.cold.Waits(v.Waiting))), fmt.Sprint(expected(v.VideoProgress)),
			fmt.Sprint(v.Extracted), fmt.Sprint(v.Described), fmt.Sprint(v.Embedded), fmt.Sprint(v.Indexed),
		}
	}
	if len(rows) > 0 {
		a.Say("")
		a.Table([]cli.Column{
			{Name: "video"},
			{Name: "stage"},
			{Name: "frames", Right: true},
			{Name: "extracted", Right: true},
			{Name: "described", Right: true},
			{Name: "embedded", Right: true},
			{Name: "indexed", Right: true},
		}, rows)
	}
	if p.library == nil {
		a.PrintUnusable(p.videos[0].Warnings, p.videos[0].Unusable)
	}
}
