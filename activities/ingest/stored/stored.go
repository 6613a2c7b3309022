// Package stored reads what an ingest left in the store of one video: its frames, captions and
// passages of speech. It writes nothing and calls no model.
package stored

import (
	"context"
	"errors"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Frames reads all frames of an extraction, in order of time.
func Frames(ctx context.Context, s activities.Store, prefix string, x video.Extraction) ([]video.Frame, error) {
	out := make([]video.Frame, 0, x.Frames)
	for index := range x.Chunks {
		var chunk video.Chunk
		if err := activities.ReadJSON(ctx, s, video.ChunkKey(prefix, index), &chunk); err != nil {
			return nil, err
		}
		out = append(out, chunk.Frames...)
	}
	return out, nil
}

// Caption reads the caption of a frame; its text says why if there is none.
func Caption(ctx context.Context, s activities.Store, t tenant.ID, p video.Profile, f video.Frame) (c video.Caption, err error) {
	if p.Describe.Model == "" {
		return c, nil
	}
	fingerprint := p.CaptionFingerprint(f)
	err = activities.ReadJSON(ctx, s, video.CaptionKey(t, fingerprint), &c)
	if !activities.Absent(err) {
		return c, err
	}
	err = refusal.Stored(ctx, s, video.RefusalKey(t, fingerprint))
	if why, ok := errors.AsType[*outcome.UnusableError](err); ok {
		return video.Caption{Text: "(no caption: " + why.Error() + ")"}, nil
	}
	return video.Caption{Text: "(the model refused this frame)"}, err
}

// Passages reads the passages of speech of a video; nil = its speech has no documents of its
// own. p has the subtitles of the video.
func Passages(ctx context.Context, s activities.Store, p video.Profile, prefix string, x video.Extraction) (out []video.Passage, err error) {
	if p.SpeechApart(x) {
		err = activities.ReadJSON(ctx, s, p.PassagesKey(prefix), &out)
	}
	return out, err
}
