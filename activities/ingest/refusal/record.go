package refusal

import (
	"context"
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
)

// Record is which frames of a chunk a stage left out: presentation timestamp → reason.
type Record map[string]string

// Has reports whether a frame was left out.
func (r Record) Has(f video.Frame) bool {
	_, out := r[at(f)]
	return out
}

// Read reads the record of a chunk; a chunk without refusals has none.
func Read(ctx context.Context, s activities.Store, key string) (Record, error) {
	var out Record
	err := activities.ReadJSON(ctx, s, key, &out)
	if activities.Absent(err) {
		return nil, nil
	}
	return out, err
}

// Without drops the frames of a chunk whose refusal is recorded under a key.
func Without(ctx context.Context, s activities.Store, key string, chunk video.Chunk) (video.Chunk, error) {
	refused, err := Read(ctx, s, key)
	if err != nil || len(refused) == 0 {
		return chunk, err
	}
	chunk.Frames = slices.DeleteFunc(slices.Clone(chunk.Frames), refused.Has)
	return chunk, nil
}

// Kept drops the frames of a chunk that get no document: those without a vector,
// and those without a caption where the caption is what is embedded.
func Kept(ctx context.Context, s activities.Store, p video.Profile, prefix string, chunk video.Chunk) (_ video.Chunk, err error) {
	for _, kind := range leftOutBy(p) {
		if chunk, err = Without(ctx, s, p.RefusedKey(prefix, kind, chunk.Index), chunk); err != nil {
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

// Lost counts the frames of a video without a document. It fails for a video of which every
// frame was refused, which no chunk can know.
func Lost(ctx context.Context, s activities.Store, p video.Profile, prefix string, v video.ID, frames int) (lost int, err error) {
	for _, kinds := range [][]string{{video.KindDescribe}, leftOutBy(p)} {
		n, why, err := count(ctx, s, p, prefix, kinds)
		if err != nil {
			return 0, err
		}
		if n > 0 && n >= frames {
			return 0, fault.New(fault.Input, "publish video", string(v), fmt.Sprintf("the model refused each of its %d frames: %s", n, why))
		}
		lost = n
	}
	return lost, nil
}

// count counts the refusals of all chunks of a video, with the reason of one.
func count(ctx context.Context, s activities.Store, p video.Profile, prefix string, kinds []string) (n int, why string, err error) {
	for _, kind := range kinds {
		err = s.List(ctx, p.RefusedPrefix(prefix, kind), func(o object.Info) error {
			refused, err := Read(ctx, s, o.Key)
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
