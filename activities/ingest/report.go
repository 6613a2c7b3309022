package ingest

import (
	"bytes"
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/stored"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// ReportInput is the subject of a report. The pictures are read from the store.
type ReportInput struct {
	Kind     string          `json:"kind"` // workflow type
	Source   string          `json:"source"`
	Tenant   tenant.ID       `json:"tenant"`
	RunID    string          `json:"run_id"`        // first run of the chain
	Job      string          `json:"job,omitempty"` // job whose repeated calls are counted; empty = Totals has them
	Started  time.Time       `json:"started"`
	Ended    time.Time       `json:"ended"`
	Recipe   Recipe          `json:"recipe"`
	Totals   video.Totals    `json:"totals"`
	Videos   []ReportVideo   `json:"videos"` // at most video.MaxReportVideos
	Failures []video.Failure `json:"failures"`
	Unusable []outcome.Group `json:"unusable,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in ReportInput) Owner() tenant.ID { return in.Tenant }

// ReportVideo names a video and how it ended.
type ReportVideo struct {
	Video  video.ID `json:"video"`
	Status string   `json:"status"`
	// StartedMS is when its run began, relative to the start of the whole run.
	StartedMS int64 `json:"started_ms"`
}

// thumbWidth is the width of a picture in a contact sheet, in pixels.
const thumbWidth = 240

// versions lists the versions of all parts.
func (in ReportInput) versions(build string) []video.Version {
	out := []video.Version{{Name: "cogflow", Value: build}}
	for _, stage := range []video.Version{
		{Name: "transcribe", Value: in.Recipe.Transcribe},
		{Name: "describe", Value: in.Recipe.Describe},
		{Name: "embed", Value: in.Recipe.Embed},
		{Name: "recipe", Value: string(in.Recipe.Fingerprint)},
	} {
		if stage.Value != "" {
			out = append(out, stage)
		}
	}
	return out
}

// WriteReport writes the report of a finished run to the store.
func (a *Activities) WriteReport(ctx context.Context, in ReportInput) (activities.ReportResult, error) {
	run := activity.GetInfo(ctx).WorkflowExecution
	page := video.Report{
		Kind: in.Kind, Source: in.Source, Tenant: in.Tenant, Profile: in.Recipe.Profile, Index: a.IndexName,
		WorkflowID: run.ID, RunID: in.RunID, Started: in.Started, Ended: in.Ended,
		Preview: in.Recipe.Preview, Unsandboxed: a.Unsandboxed, Totals: in.Totals, Failures: in.Failures, Unusable: in.Unusable,
		OmittedVideos: max(0, in.Totals.Indexed+in.Totals.Unchanged-len(in.Videos)),
		MoreFailures:  max(0, in.Totals.Failed-len(in.Failures)),
	}
	page.Versions = in.versions(a.Version)
	var out activities.ReportResult
	if in.Job != "" {
		spend, err := activities.FinalSpend(ctx, a.Ledger, in.Tenant, in.Job)
		if err != nil {
			return activities.ReportResult{}, err
		}
		page.Totals.DescribeCalls, page.Totals.RepeatedCalls = spend.Describe, spend.Repeated
		page.Totals.CostUSD = float64(spend.CostMicroUSD) / 1e6
		spend.ByKind = true
		out.Spend = &spend
	}
	indexed := 0
	for _, v := range in.Videos {
		if v.Status == video.StatusIndexed {
			indexed++
		}
	}
	for _, v := range in.Videos {
		one, unsandboxed, err := a.reportVideo(ctx, in, v, video.SheetFrames(indexed))
		page.Unsandboxed = page.Unsandboxed || unsandboxed
		if activities.Absent(err) {
			page.OmittedVideos++ // deleted since
			continue
		}
		if err != nil {
			return activities.ReportResult{}, err
		}
		page.Videos = append(page.Videos, one)
		if v.Status == video.StatusIndexed {
			page.Stages = video.MergeStages(page.Stages, one.Stages)
		}
	}
	var html bytes.Buffer
	if err := a.Report(&html, page); err != nil {
		return activities.ReportResult{}, err
	}
	out.Key, out.RepeatedCalls = video.ReportKey(in.Tenant, run.ID, in.RunID), page.Totals.RepeatedCalls
	_, err := a.Store.Put(ctx, out.Key, &html)
	return out, err
}

func (a *Activities) reportVideo(ctx context.Context, in ReportInput, v ReportVideo, sheet int) (out video.Section, unsandboxed bool, err error) {
	var p video.Publication
	if err := activities.ReadJSON(ctx, a.Store, video.PublicationKey(in.Tenant, v.Video, in.Recipe.Profile), &p); err != nil {
		return video.Section{}, false, err
	}
	out = video.Section{
		Name: p.Source.Name, URI: p.Source.URI, Video: v.Video, Status: v.Status,
		DurationMS: p.Extraction.DurationMS, Width: p.Source.Media.Width, Height: p.Source.Media.Height,
		Frames: p.Extraction.Frames, Documents: p.Generation.Documents, Duplicates: p.Extraction.Duplicates,
		Blank: p.Extraction.Blank, Sidecar: p.Source.Sidecar,
		Capped: p.Extraction.Capped, DecodeErrors: p.Extraction.DecodeErrors,
	}
	if v.Status != video.StatusIndexed {
		return out, p.Extraction.Unsandboxed, nil
	}
	for _, s := range p.Stages {
		s.StartMS, s.EndMS = s.StartMS+v.StartedMS, s.EndMS+v.StartedMS
		out.Stages = append(out.Stages, s)
	}
	err = a.contactSheet(ctx, in, p, sheet, &out)
	return out, p.Extraction.Unsandboxed, err
}

// contactSheet picks frames evenly over the video.
func (a *Activities) contactSheet(ctx context.Context, in ReportInput, p video.Publication, cells int, out *video.Section) error {
	recipe, err := a.recipe(ctx, in.Tenant, p.Recipe)
	if err != nil {
		return err
	}
	prefix := video.FramesPrefix(in.Tenant, p.Source.Video, recipe.ExtractFingerprint(p.Source.Video))
	if p.Extraction.Thumbnail != "" {
		if out.Thumbnail, err = a.picture(ctx, p.Extraction.Thumbnail); err != nil {
			return err
		}
	}
	frames, err := stored.Frames(ctx, a.Store, prefix, p.Extraction)
	if err != nil {
		return err
	}
	for _, f := range frames {
		out.TakenMS = append(out.TakenMS, f.PTSMS)
	}
	for _, position := range video.Spread(len(frames), cells) {
		cell, err := a.contactFrame(ctx, in.Tenant, recipe, prefix, frames[position])
		if err != nil {
			return err
		}
		out.Sheet = append(out.Sheet, cell)
	}
	return nil
}

func (a *Activities) contactFrame(ctx context.Context, t tenant.ID, p video.Profile, prefix string, f video.Frame) (video.ContactFrame, error) {
	c, err := stored.Caption(ctx, a.Store, t, p, f)
	if err != nil {
		return video.ContactFrame{}, err
	}
	picture, err := a.picture(ctx, video.FrameKey(prefix, f))
	return video.ContactFrame{
		PTSMS: f.PTSMS, StartMS: f.StartMS, EndMS: f.EndMS, JPEG: picture,
		Caption: p.DocumentText(f, c), OnScreenText: c.OnScreenText,
	}, err
}

func (a *Activities) picture(ctx context.Context, key string) ([]byte, error) {
	jpeg, err := activities.ReadAll(ctx, a.Store, key)
	if err != nil {
		return nil, err
	}
	return a.Thumb(jpeg, thumbWidth)
}
