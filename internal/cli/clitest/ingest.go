package clitest

import (
	"path/filepath"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// standInLibrary is a fake of IngestLibrary; the last element of the source selects its outcome.
func standInLibrary(ctx workflow.Context, in map[string]any) (ingest.LibraryResult, error) {
	source, _ := in["source"].(string)
	progress := ingest.LibraryProgress{
		Source: source, Stage: "ingest", Videos: 3, Concurrency: 4,
		Active: []ingest.ActiveVideo{{WorkflowID: "missing", URI: source + "/b.mp4"}},
	}
	err := workflow.SetQueryHandler(ctx, workflows.QueryProgress, func() (ingest.LibraryProgress, error) { return progress, nil })
	if err != nil {
		return ingest.LibraryResult{}, err
	}
	err = workflow.SetUpdateHandler(ctx, workflows.UpdateConcurrency, func(_ workflow.Context, n int) error {
		progress.Concurrency = n
		return nil
	})
	if err != nil {
		return ingest.LibraryResult{}, err
	}
	r := ingest.LibraryResult{Totals: video.Totals{Videos: 3, Indexed: 3}, Failures: []video.Failure{}, Report: "default/reports/x/y.html"}
	if dry, _ := in["dry_run"].(bool); dry {
		r.Indexed, r.Report, r.Estimate = 0, "", &ingest.Estimate{Frames: 30}
		return r, nil
	}
	switch filepath.Base(source) {
	case "partial":
		r.Indexed, r.Failed = 2, 1
		r.Failures = FailedVideos()[:1]
	case "fail":
		return r, temporal.NewNonRetryableApplicationError("list: no such directory", "input", nil)
	case "wait":
		signal := workflow.GetSignalChannel(ctx, workflows.SignalPause)
		// Await, because a cancelled context does not end Receive.
		if err := workflow.Await(ctx, func() bool { return signal.ReceiveAsync(nil) }); err != nil {
			return r, err
		}
		progress.Paused = true
		return r, workflow.Await(ctx, func() bool { return false })
	}
	return r, nil
}

// standInVideo is a fake of IngestVideo; a video named bad.mp4 fails.
func standInVideo(_ workflow.Context, in ingest.VideoInput) (ingest.VideoResult, error) {
	if filepath.Base(in.URI) == "bad.mp4" {
		return ingest.VideoResult{}, temporal.NewNonRetryableApplicationError("not a video", "input", nil)
	}
	return ingest.VideoResult{Video: in.URI + " " + in.Profile, Status: "indexed", Frames: 7, Documents: 9}, nil
}

func standInSearch(_ workflow.Context, in ingest.SearchInput) (ingest.SearchResult, error) {
	if in.Query == "bad" {
		return ingest.SearchResult{}, temporal.NewNonRetryableApplicationError("embed: no key", "auth", nil)
	}
	hit := video.Hit{ID: "default:0011:1000", Name: "b.mp4", StartMS: 1000, EndMS: 2000, Score: 1, Caption: in.Query, Preview: true}
	if in.Given() {
		hit.Caption = strings.TrimSpace(in.Query + " " + in.Image + in.Like + " by " + in.Rank)
	}
	return ingest.SearchResult{Hits: []video.Hit{hit}}, nil
}

// Video is the id of the video that the fakes return.
const Video = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func standInList(workflow.Context, ingest.ListVideosInput) (ingest.ListVideosResult, error) {
	return ingest.ListVideosResult{Videos: []video.Generation{
		{Tenant: "default", Profile: "local_preview", Video: Video, Documents: 7, Name: "b.mp4", DurationMS: 5000},
		{Tenant: "default", Profile: "local_preview", Video: "aaaaaaaabb" + video.ID(Video[10:]), Documents: 7, Name: "c.mp4", DurationMS: 5000},
	}}, nil
}

func standInDelete(_ workflow.Context, in ingest.DeleteVideoInput) (ingest.DeleteVideoResult, error) {
	if in.Video != Video {
		return ingest.DeleteVideoResult{}, temporal.NewNonRetryableApplicationError("unexpected "+in.Video, "input", nil)
	}
	return ingest.DeleteVideoResult{Documents: 7, Objects: 3}, nil
}

func standInHealth(_ workflow.Context, in workflows.CheckHealthInput) (workflows.CheckHealthResult, error) {
	out := workflows.CheckHealthResult{Checks: []activities.HealthCheck{
		{Part: "pool media", Status: "fail", Detail: "no worker answers"},
		{Part: "ffmpeg", Status: "ok", Detail: "5.1"},
	}}
	if in.Ask {
		out.Checks = append(out.Checks, activities.HealthCheck{Part: "model m", Status: "ok", Detail: "accepts seed"})
	}
	return out, nil
}

// FailedVideos are failures of two videos, one with a malicious name.
func FailedVideos() []video.Failure {
	return []video.Failure{
		{URI: "/srv/videos/empty.mp4", Stage: "inspect", Class: "input", Reason: "probe video: the file is empty"},
		{URI: "/srv/videos/" + Malicious, Stage: "extract", Class: "input", Reason: "not \x1b]0;owned\a a video"},
	}
}
