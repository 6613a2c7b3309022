package ingest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/chunks"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// SignalExtracted tells an IngestVideo run how many chunks can be described
// while extraction goes on.
const SignalExtracted = "extracted"

// Extracted is the payload of SignalExtracted. Counts only ever grow.
type Extracted struct {
	Chunks int `json:"chunks"`
	Frames int `json:"frames"`
}

// ExtractInput asks for the frames of a video.
type ExtractInput struct {
	VideoRef
	URI   string `json:"uri"`
	Force bool   `json:"force,omitempty"` // decode again even if the frames are stored
}

// Extract decodes a video once, stores frames and chunks as they come, and the manifest
// last. A repeated attempt writes the same bytes to the same keys.
//
// If the run is pinned to another extractor than this build's, the task first goes back to
// the queue, for a worker that has it. If none takes it, the stored chunks stay and this
// extractor makes the rest.
func (a *Activities) Extract(ctx context.Context, in ExtractInput) (video.Extraction, error) {
	p, err := a.pinned(ctx, in.VideoRef)
	if err != nil {
		return video.Extraction{}, err
	}
	prefix := video.FramesPrefix(in.Tenant, in.Video, p.ExtractFingerprint(in.Video))
	if !in.Force || !p.Extracts() { // an extraction that this build cannot repeat stays
		var done video.Extraction
		err := activities.ReadJSON(ctx, a.Store, video.ExtractionKey(prefix), &done)
		if err == nil || !activities.Absent(err) {
			return done.ForHistory(p), err
		}
	}
	if !p.Extracts() {
		if err := a.others.HandBack(ctx, "extract frames of", in.URI, "extractor "+p.ExtractorVersion()); err != nil {
			return video.Extraction{}, err
		}
	}
	dir, err := os.MkdirTemp(a.Scratch, "extract-")
	if err != nil {
		return video.Extraction{}, fault.Disk("make scratch directory in", a.Scratch, err)
	}
	defer os.RemoveAll(dir) // the next start of the worker removes what a crash leaves

	out, err := a.decode(ctx, in, p, prefix, dir)
	if err != nil {
		return out, err
	}
	if out.Thumbnail, err = a.keep(ctx, prefix, dir, "thumbnail.jpg"); err != nil {
		return out, err
	}
	subtitles, err := a.keep(ctx, prefix, dir, strings.TrimPrefix(video.SubtitlesKey(prefix), prefix))
	if err != nil {
		return out, err
	}
	out.Subtitles = subtitles != ""
	for more := true; more; {
		name := strings.TrimPrefix(video.AudioKey(prefix, out.AudioPieces), prefix)
		key, err := a.keep(ctx, prefix, dir, name)
		if err != nil {
			return out, err
		}
		if more = key != ""; more {
			out.AudioPieces++
		}
	}
	out.RecordBuild(p)
	return out.ForHistory(p), activities.WriteManifest(ctx, a.Store, video.ExtractionKey(prefix), out)
}

func (a *Activities) decode(ctx context.Context, in ExtractInput, p video.Profile, prefix, dir string) (video.Extraction, error) {
	file, name, err := a.Sources.Reopen(ctx, in.Tenant, in.URI, in.Video)
	if err != nil {
		return video.Extraction{}, err
	}
	defer file.Close()
	id, _, err := identify(ctx, file)
	if err != nil {
		return video.Extraction{}, fault.Disk("read video", name, err)
	}
	if id != in.Video {
		return video.Extraction{}, fault.New(fault.Input, "extract frames of", name,
			"the file changed while it was being ingested; start again when it is complete")
	}
	run := activity.GetInfo(ctx).WorkflowExecution
	c := chunks.NewWriter(ctx, a.Store, prefix, p.ChunkFrames, func(stored, frames int) {
		// Only an early start: the result of the activity repeats it, so a lost signal only
		// costs overlap.
		_ = a.Runs.Signal(ctx, run.ID, run.RunID, SignalExtracted, Extracted{Chunks: stored, Frames: frames})
	})
	if !p.Extracts() {
		if err := c.Keep(); err != nil {
			return video.Extraction{}, err
		}
	}
	var position atomic.Int64
	activities.HeartbeatDetails(ctx, func() any { return map[string]int64{"frames": c.Frames(), "ms": position.Load()} })
	out, err := a.Media.Extract(ctx, file, dir, p.Sampling, c.Add, position.Store)
	if flushErr := c.Finish(); err == nil {
		err = flushErr
	}
	out.Frames, out.Chunks, out.FrameBytes = int(c.Frames()), c.Chunks(), c.Bytes()
	return out, err
}

// keep stores a file that extraction wrote to dir, if it exists.
func (a *Activities) keep(ctx context.Context, prefix, dir, name string) (key string, err error) {
	file, err := os.Open(filepath.Join(dir, name)) //nolint:gosec // a name of our own in a directory of our own
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", fault.Disk("read", filepath.Join(dir, name), err)
	}
	defer file.Close()
	_, err = a.Store.Put(ctx, prefix+name, file)
	return prefix + name, err
}
