package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// A model may refuse a frame or a piece of sound: its content filter does, it cannot read
// that one, or calls are billed again and again without a usable answer. A refused frame is
// left out and reported instead of failing the video, as long as few are refused. When many
// are refused the model or the profile is at fault, and the stage fails with the first
// reason. A single frame says nothing about the model, unless the video has no other.
const refusedAtMost = 10 // percent of a chunk, but at least one frame

// refusals collects the frames of a chunk, or the pieces of a video's sound, that a model
// refuses.
type refusals struct {
	key  string                                  // of the record
	only func(ctx context.Context) (bool, error) // whether a chunk of one frame is the whole video; nil = it is not

	mu      sync.Mutex
	reasons map[string]string // by presentation timestamp in milliseconds
	first   error
}

// take returns nil for an error that concerns one frame only.
func (r *refusals) take(noun string, f video.Frame, err error) error {
	if fault.ClassOf(err) != fault.Input {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = fmt.Errorf("%s at %d ms: %w", noun, f.PTSMS, err)
	}
	if r.reasons == nil {
		r.reasons = map[string]string{}
	}
	r.reasons[strconv.FormatInt(f.PTSMS, 10)] = safetext.Line(err.Error(), safetext.MaxReason)
	return nil
}

// refusable is the maximum of refused frames among a number of frames.
func refusable(frames int) int { return max(1, frames*refusedAtMost/100) }

// settle records the refused frames of a chunk, or fails if the model is at fault.
func (r *refusals) settle(ctx context.Context, s activities.Store, frames int) error {
	refused := len(r.reasons)
	if refused == 0 {
		return ignoreMissing(s.Delete(ctx, r.key)) // of a former attempt
	}
	fails := refused > refusable(frames)
	if refused == frames {
		var err error
		if fails, err = r.damning(ctx, frames); err != nil {
			return err
		}
	}
	if fails {
		return r.first
	}
	return activities.WriteJSON(ctx, s, r.key, r.reasons)
}

// damning reports whether the model or the profile is at fault when a whole chunk is refused.
func (r *refusals) damning(ctx context.Context, frames int) (bool, error) {
	if frames > 1 || money.Unsent(r.first) || errors.Is(r.first, fault.ErrNotServed) {
		return true, nil
	}
	if r.only == nil {
		return false, nil
	}
	return r.only(ctx)
}

// onlyFrame reports whether a chunk of one frame holds the only frame of its video.
func (a *Activities) onlyFrame(ctx context.Context, p video.Profile, prefix string, chunk video.Chunk) (bool, error) {
	if chunk.Index > 0 {
		return false, nil
	}
	var x video.Extraction
	err := activities.ReadJSON(ctx, a.Store, video.ExtractionKey(prefix), &x)
	if activities.Absent(err) { // frames are still being extracted, and only the last chunk is not full
		return len(chunk.Frames) < p.ChunkFrames, nil
	}
	return x.Frames <= 1, err
}

// refused reads which frames of a chunk a stage left out.
func (a *Activities) refused(ctx context.Context, key string) (map[string]string, error) {
	var out map[string]string
	err := activities.ReadJSON(ctx, a.Store, key, &out)
	if activities.Absent(err) {
		return nil, nil
	}
	return out, err
}

// kept drops the frames of a chunk that get no document: those without a vector,
// and those without a caption where the caption is what is embedded.
func (a *Activities) kept(ctx context.Context, p video.Profile, prefix string, chunk video.Chunk) (_ video.Chunk, err error) {
	for _, kind := range leftOutBy(p) {
		if chunk, err = a.without(ctx, p.RefusedKey(prefix, kind, chunk.Index), chunk); err != nil {
			return chunk, err
		}
	}
	return chunk, nil
}

// leftOutBy lists the kinds of calls whose refusals leave a frame without a document.
func leftOutBy(p video.Profile) []string {
	if p.Embed.Of == video.OfCaption {
		return []string{video.KindDescribe, video.OfTexts}
	}
	return []string{video.KindEmbed}
}

// without drops the frames of a chunk whose refusal is recorded under a key.
func (a *Activities) without(ctx context.Context, key string, chunk video.Chunk) (video.Chunk, error) {
	refused, err := a.refused(ctx, key)
	if err != nil || len(refused) == 0 {
		return chunk, err
	}
	chunk.Frames = slices.DeleteFunc(slices.Clone(chunk.Frames), func(f video.Frame) bool {
		_, out := refused[strconv.FormatInt(f.PTSMS, 10)]
		return out
	})
	return chunk, nil
}

// lost counts the frames of a video without a document.
func (a *Activities) lost(ctx context.Context, p video.Profile, prefix string) (n int, err error) {
	n, _, err = a.countRefused(ctx, p, prefix, leftOutBy(p))
	return n, err
}

// countRefused counts the refusals of all chunks of a video, with the reason of one.
func (a *Activities) countRefused(ctx context.Context, p video.Profile, prefix string, kinds []string) (n int, why string, err error) {
	for _, kind := range kinds {
		err = a.Store.List(ctx, p.RefusedPrefix(prefix, kind), func(o object.Info) error {
			refused, err := a.refused(ctx, o.Key)
			n += len(refused)
			for _, reason := range refused {
				why = reason
			}
			return err
		})
		if err != nil {
			return n, why, err
		}
	}
	return n, why, nil
}

// judge fails a video of which every frame was refused, which no chunk can know.
func (a *Activities) judge(ctx context.Context, ref VideoRef, p video.Profile, prefix string, frames int) error {
	for _, kinds := range [][]string{{video.KindDescribe}, leftOutBy(p)} {
		n, why, err := a.countRefused(ctx, p, prefix, kinds)
		if err != nil {
			return err
		}
		if n > 0 && n >= frames {
			return fault.New(fault.Input, "publish video", string(ref.Video), fmt.Sprintf("the model refused each of its %d frames: %s", n, why))
		}
	}
	return nil
}
