package ingest

import (
	"bytes"
	"context"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/panics"
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

// signalEvery limits the cost of overlap: a signal is an event and usually a workflow task,
// so signals are sent by time, not for each chunk.
const signalEvery = time.Second

// fullWindow is how many chunks keep a describe endpoint busy. The first signal starts it,
// the one at this count fills it.
const fullWindow = 4

// uploads is the number of concurrent uploads of frames.
const uploads = 16

// Extract decodes a video once, stores frames and chunks as they come, and the manifest
// last. A repeated attempt writes the same bytes to the same keys.
//
// If the run is pinned to another extractor than this build's, the task first goes back to
// the queue, for a worker that has it. If none takes it, the stored chunks stay and this
// extractor makes the rest.
func (a *Activities) Extract(ctx context.Context, in ExtractInput) (video.Extraction, error) {
	p, err := a.recipe(ctx, in.Tenant, in.Recipe)
	if err != nil {
		return video.Extraction{}, err
	}
	prefix := video.FramesPrefix(in.Tenant, in.Video, p.ExtractFingerprint(in.Video))
	if !in.Force || !p.Extracts() { // an extraction that this build cannot repeat stays
		var done video.Extraction
		err := activities.ReadJSON(ctx, a.Store, video.ExtractionKey(prefix), &done)
		if err == nil || !activities.Absent(err) {
			return done.ForHistory(), err
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
	return out.ForHistory(), activities.WriteManifest(ctx, a.Store, video.ExtractionKey(prefix), out)
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
	c := a.newChunker(ctx, p, prefix)
	if !p.Extracts() {
		if err := c.keep(); err != nil {
			return video.Extraction{}, err
		}
	}
	var position atomic.Int64
	activities.HeartbeatDetails(ctx, func() any { return map[string]int64{"frames": c.frames.Load(), "ms": position.Load()} })
	out, err := a.Media.Extract(ctx, file, dir, p.Sampling, c.add, position.Store)
	if flushErr := c.finish(); err == nil {
		err = flushErr
	}
	out.Frames, out.Chunks, out.FrameBytes = int(c.frames.Load()), c.index, c.bytes
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

// chunker groups frames into chunks. A chunk is stored after all its frames.
type chunker struct {
	a      *Activities
	ctx    context.Context //nolint:containedctx // lives as long as one activity call
	prefix string
	size   int
	run    activity.Info

	frames   atomic.Int64
	bytes    int64
	index    int   // chunks stored
	after    int64 // frames up to this time are stored, made by another extractor
	stillsTo int64 // stills up to this time are stored or being stored
	pending  []video.Frame
	puts     *panics.Group
	putCtx   context.Context //nolint:containedctx // of puts
	signaled time.Time
}

func (a *Activities) newChunker(ctx context.Context, p video.Profile, prefix string) *chunker {
	c := &chunker{a: a, ctx: ctx, prefix: prefix, size: p.ChunkFrames, after: math.MinInt64, stillsTo: -1, run: activity.GetInfo(ctx)}
	c.fresh()
	return c
}

func (c *chunker) fresh() {
	c.pending = make([]video.Frame, 0, c.size)
	c.puts, c.putCtx = panics.WithContext(c.ctx)
	c.puts.SetLimit(uploads)
}

// keep continues after the stored chunks. They are never made again: some may be described
// already, and another extractor makes different frames.
func (c *chunker) keep() error {
	for {
		var chunk video.Chunk
		err := activities.ReadJSON(c.ctx, c.a.Store, video.ChunkKey(c.prefix, c.index), &chunk)
		if activities.Absent(err) {
			return c.sizes()
		}
		if err != nil {
			return err
		}
		c.index++
		c.frames.Add(int64(len(chunk.Frames)))
		for _, f := range chunk.Frames {
			c.after = max(c.after, f.PTSMS)
			for _, still := range f.Stills {
				c.stillsTo = max(c.stillsTo, still.PTSMS)
			}
		}
	}
}

// sizes adds up the pictures of the chunks that are kept.
func (c *chunker) sizes() error {
	return c.a.Store.List(c.ctx, c.prefix, func(o object.Info) error {
		name, picture := strings.CutSuffix(path.Base(o.Key), ".jpg")
		ptsMS, err := strconv.ParseInt(name, 10, 64)
		if picture && err == nil && ptsMS <= max(c.after, c.stillsTo) {
			c.bytes += o.Size
		}
		return nil
	})
}

func (c *chunker) add(p video.Picture) error {
	if p.Frame.PTSMS <= c.after {
		return nil
	}
	if c.putCtx.Err() != nil {
		return c.puts.Wait()
	}
	c.put(p.Frame.PTSMS, p.JPEG)
	for i, still := range p.Frame.Stills {
		// Windows that overlap share stills, and the frame may be one of them.
		if still.PTSMS > c.stillsTo && still.PTSMS != p.Frame.PTSMS {
			c.put(still.PTSMS, p.Stills[i])
		}
	}
	if n := len(p.Frame.Stills); n > 0 {
		c.stillsTo = max(c.stillsTo, p.Frame.Stills[n-1].PTSMS)
	}
	c.pending = append(c.pending, p.Frame)
	c.frames.Add(1)
	if len(c.pending) < c.size {
		return nil
	}
	return c.flush()
}

func (c *chunker) put(ptsMS int64, jpeg []byte) {
	ctx := c.putCtx
	c.puts.Go(func() error {
		_, err := c.a.Store.Put(ctx, video.PictureKey(c.prefix, ptsMS), bytes.NewReader(jpeg))
		return err
	})
	c.bytes += int64(len(jpeg))
}

func (c *chunker) flush() error {
	if err := c.puts.Wait(); err != nil {
		return err
	}
	chunk := video.Chunk{Index: c.index, Frames: c.pending}
	if err := activities.WriteJSON(c.ctx, c.a.Store, video.ChunkKey(c.prefix, c.index), chunk); err != nil {
		return err
	}
	c.index++
	c.fresh()
	if c.index == 1 || c.index == fullWindow || time.Since(c.signaled) >= signalEvery {
		c.signaled = time.Now()
		// Only an early start: the result of the activity repeats it, so a lost signal only
		// costs overlap.
		_ = c.a.Runs.Signal(c.ctx, c.run.WorkflowExecution.ID, c.run.WorkflowExecution.RunID,
			SignalExtracted, Extracted{Chunks: c.index, Frames: int(c.frames.Load())})
	}
	return nil
}

func (c *chunker) finish() error {
	if len(c.pending) > 0 {
		return c.flush()
	}
	return c.puts.Wait()
}
