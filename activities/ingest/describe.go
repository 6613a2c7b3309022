package ingest

import (
	"context"
	"errors"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/captioning"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
)

// ChunkInput names one chunk of frames to describe or to embed.
type ChunkInput struct {
	VideoRef
	Chunk         int    `json:"chunk"`
	Job           string `json:"job"`                       // what the budget and the ledger count by
	LimitMicroUSD int64  `json:"limit_micro_usd,omitempty"` // of the job; 0 = none
}

// ChunkResult counts what was done to a chunk.
type ChunkResult struct {
	Frames       int   `json:"frames"`
	Calls        int   `json:"calls,omitempty"` // of the model; the others were stored already
	BusyMS       int64 `json:"busy_ms"`         // wall clock of the activity
	CostMicroUSD int64 `json:"cost_micro_usd,omitempty"`
	// SpentMicroUSD is what the ledger says that the workflow has spent by now;
	// nil: a former build did not ask it.
	SpentMicroUSD *int64 `json:"spent_micro_usd,omitempty"`
	Refused       int    `json:"refused,omitempty"` // frames that the model refused, and that are left out
	// Unusable counts the answers to the describer's requests that are not captions.
	Unusable []outcome.Group `json:"unusable,omitempty"`
}

// DescribeChunk writes the caption of each frame of a chunk, or of the stills of its segment or
// shot, as the profile says. Each caption is stored before the activity reports, so no stored
// one is paid again.
func (a *Activities) DescribeChunk(ctx context.Context, in ChunkInput) (ChunkResult, error) {
	p, chunk, prefix, err := a.chunk(ctx, in)
	if err != nil {
		return ChunkResult{}, err
	}
	cost, unpriced := captioning.Cost(a.Describer, p.Describe, p.DescribePictures())
	q := asking{
		kind: video.KindDescribe, stage: p.Describe, limits: a.Describer, cost: cost, unpriced: unpriced,
		refused:     p.RefusedKey(prefix, video.KindDescribe, in.Chunk),
		outcomes:    p.UnusableKey(prefix, video.KindDescribe, in.Chunk),
		only:        refusal.Only(a.Store, p, prefix, chunk),
		fingerprint: p.CaptionFingerprint,
		key:         video.CaptionKey,
		shows:       showing(prefix, p.Describe.Of),
		ask: func(ctx context.Context, key string, shown [][]byte) (video.PaidAnswer, error) {
			request := video.DescribeRequest{Tenant: in.Tenant, Stage: p.Describe, JPEG: shown[0]}
			if p.Describe.Of == video.OfSegment {
				request.JPEG, request.Stills = nil, shown
			}
			caption, err := a.Describer.Describe(ctx, request)
			if _, cut := errors.AsType[*outcome.UnusableError](err); cut && caption.Text != "" && !p.WholeCaptions {
				err = nil
			}
			if err == nil {
				err = captioning.Check(caption)
			}
			return a.paid(caption.CostMicroUSD, key, caption), err
		},
	}
	if p.WholeCaptions {
		q.refusal = video.RefusalKey
	}
	return a.askAll(ctx, in, chunk.Frames, q)
}

// showing lists the keys of the pictures that a model is shown of a frame.
func showing(prefix string, of video.Of) func(f video.Frame) []string {
	return func(f video.Frame) (keys []string) {
		for _, s := range f.Pictures(of) {
			keys = append(keys, video.PictureKey(prefix, s.PTSMS))
		}
		return keys
	}
}

func (a *Activities) chunk(ctx context.Context, in ChunkInput) (video.Profile, video.Chunk, string, error) {
	var chunk video.Chunk
	p, err := a.pinned(ctx, in.VideoRef)
	if err != nil {
		return p, chunk, "", err
	}
	prefix := video.FramesPrefix(in.Tenant, in.Video, p.ExtractFingerprint(in.Video))
	err = activities.ReadJSON(ctx, a.Store, video.ChunkKey(prefix, in.Chunk), &chunk)
	return p, chunk, prefix, err
}
