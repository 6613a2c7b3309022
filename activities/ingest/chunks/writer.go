// Package chunks stores the frames of a video while it is decoded, in groups that models are
// asked about. It decodes nothing, and knows neither models nor workflows.
package chunks

import (
	"bytes"
	"context"
	"math"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
)

// announceEvery limits the cost of overlap: an announcement is a signal, which is an event and
// usually a workflow task, so they are sent by time, not for each chunk.
const announceEvery = time.Second

// fullWindow is how many chunks keep a describe endpoint busy. The first announcement starts it,
// the one at this count fills it.
const fullWindow = 4

// uploads is the number of concurrent uploads of frames.
const uploads = 16

// Writer groups frames into chunks. A chunk is stored after all its frames.
type Writer struct {
	store    activities.Store
	ctx      context.Context //nolint:containedctx // lives as long as one activity call
	prefix   string
	size     int
	announce func(chunks, frames int)

	frames    atomic.Int64
	bytes     int64
	index     int   // chunks stored
	after     int64 // frames up to this time are stored, made by another extractor
	stillsTo  int64 // stills up to this time are stored or being stored
	pending   []video.Frame
	puts      *panics.Group
	putCtx    context.Context //nolint:containedctx // of puts
	announced time.Time
}

// NewWriter makes a Writer of chunks, the first ones of a size. It announces from time to time how much is
// stored.
func NewWriter(ctx context.Context, s activities.Store, prefix string, size int, announce func(chunks, frames int)) *Writer {
	w := &Writer{store: s, ctx: ctx, prefix: prefix, size: size, announce: announce, after: math.MinInt64, stillsTo: -1}
	w.fresh()
	return w
}

// Frames is the number of frames so far. It may be read while frames are added.
func (w *Writer) Frames() int64 { return w.frames.Load() }

// Chunks is the number of stored chunks.
func (w *Writer) Chunks() int { return w.index }

// Bytes is the size of the stored pictures.
func (w *Writer) Bytes() int64 { return w.bytes }

func (w *Writer) fresh() {
	w.pending = make([]video.Frame, 0, video.ChunkSize(w.size, w.index))
	w.puts, w.putCtx = panics.WithContext(w.ctx)
	w.puts.SetLimit(uploads)
}

// Keep continues after the stored chunks. They are never made again: some may be described
// already, and another extractor makes different frames.
func (w *Writer) Keep() error {
	for {
		var chunk video.Chunk
		err := activities.ReadJSON(w.ctx, w.store, video.ChunkKey(w.prefix, w.index), &chunk)
		if activities.Absent(err) {
			return w.sizes()
		}
		if err != nil {
			return err
		}
		w.index++
		w.frames.Add(int64(len(chunk.Frames)))
		for _, f := range chunk.Frames {
			w.after = max(w.after, f.PTSMS)
			for _, still := range f.Stills {
				w.stillsTo = max(w.stillsTo, still.PTSMS)
			}
		}
	}
}

// sizes adds up the pictures of the chunks that are kept.
func (w *Writer) sizes() error {
	return w.store.List(w.ctx, w.prefix, func(o object.Info) error {
		name, picture := strings.CutSuffix(path.Base(o.Key), ".jpg")
		ptsMS, err := strconv.ParseInt(name, 10, 64)
		if picture && err == nil && ptsMS <= max(w.after, w.stillsTo) {
			w.bytes += o.Size
		}
		return nil
	})
}

// Add stores a picture, and its chunk when that is full.
func (w *Writer) Add(p video.Picture) error {
	if p.Frame.PTSMS <= w.after {
		return nil
	}
	if w.putCtx.Err() != nil {
		return w.puts.Wait()
	}
	w.put(p.Frame.PTSMS, p.JPEG)
	for i, still := range p.Frame.Stills {
		// Windows that overlap share stills, and the frame may be one of them.
		if still.PTSMS > w.stillsTo && still.PTSMS != p.Frame.PTSMS {
			w.put(still.PTSMS, p.Stills[i])
		}
	}
	if n := len(p.Frame.Stills); n > 0 {
		w.stillsTo = max(w.stillsTo, p.Frame.Stills[n-1].PTSMS)
	}
	w.pending = append(w.pending, p.Frame)
	w.frames.Add(1)
	if len(w.pending) < video.ChunkSize(w.size, w.index) {
		return nil
	}
	return w.flush()
}

func (w *Writer) put(ptsMS int64, jpeg []byte) {
	ctx := w.putCtx
	w.puts.Go(func() error {
		_, err := w.store.Put(ctx, video.PictureKey(w.prefix, ptsMS), bytes.NewReader(jpeg))
		return err
	})
	w.bytes += int64(len(jpeg))
}

func (w *Writer) flush() error {
	if err := w.puts.Wait(); err != nil {
		return err
	}
	chunk := video.Chunk{Index: w.index, Frames: w.pending}
	if err := activities.WriteJSON(w.ctx, w.store, video.ChunkKey(w.prefix, w.index), chunk); err != nil {
		return err
	}
	w.index++
	w.fresh()
	if w.index == 1 || w.index == fullWindow || time.Since(w.announced) >= announceEvery {
		w.announced = time.Now()
		w.announce(w.index, int(w.frames.Load()))
	}
	return nil
}

// Finish stores the last chunk.
func (w *Writer) Finish() error {
	if len(w.pending) > 0 {
		return w.flush()
	}
	return w.puts.Wait()
}
