package ingest

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/activities/ingest/texts"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const reads = 16 // objects of a chunk that are fetched concurrently

// EmbedChunk makes sure that the embedding of each frame is stored: of its caption, its
// picture or the stills of its segment or shot, as the profile says.
func (a *Activities) EmbedChunk(ctx context.Context, in ChunkInput) (ChunkResult, error) {
	p, chunk, prefix, err := a.chunk(ctx, in)
	if err != nil {
		return ChunkResult{}, err
	}
	only := refusal.Only(a.Store, p, prefix, chunk)
	if p.Embed.Of == video.OfCaption {
		if chunk, err = refusal.Without(ctx, a.Store, p.RefusedKey(prefix, video.KindDescribe, chunk.Index), chunk); err != nil {
			return ChunkResult{}, err
		}
		return a.embedCaptions(ctx, in, p, prefix, chunk, only)
	}
	return a.askAll(ctx, in, chunk.Frames, asking{
		kind: video.KindEmbed, stage: p.Embed, limits: a.Embedder, cost: p.Embed.CostMicroUSD, unpriced: p.Embed.Unpriced,
		refused:     p.RefusedKey(prefix, video.KindEmbed, in.Chunk),
		only:        only,
		fingerprint: p.PictureFingerprint,
		key:         video.EmbeddingKey,
		shows:       showing(prefix, p.Embed.Of),
		ask: func(ctx context.Context, key string, shown [][]byte) (video.PaidAnswer, error) {
			vector, err := a.embedPictures(ctx, p, shown)
			return video.PaidAnswer{
				CostMicroUSD: p.Embed.CostMicroUSD,
				Store:        func(ctx context.Context) error { return texts.Write(ctx, a.Store, key, vector.Kept(p.Embed.Keep)) },
			}, err
		},
	})
}

// embedPictures requests the embedding of pictures. An invalid vector is paid for.
func (a *Activities) embedPictures(ctx context.Context, p video.Profile, jpegs [][]byte) (video.Embedding, error) {
	vector, err := a.Embedder.EmbedPictures(ctx, video.PictureRequest{Stage: p.Embed, JPEGs: jpegs})
	if err != nil {
		return video.Embedding{}, err
	}
	if err := p.Embed.CheckVector(vector); err != nil {
		return video.Embedding{}, money.Charge(err, p.Embed.CostMicroUSD)
	}
	return vector, nil
}

func (a *Activities) embedCaptions(ctx context.Context, in ChunkInput, p video.Profile, prefix string, chunk video.Chunk, only func(ctx context.Context) (bool, error)) (ChunkResult, error) {
	start := time.Now()
	written, err := a.texts(ctx, in.Tenant, p, prefix, chunk)
	if err != nil {
		return ChunkResult{}, err
	}
	e := a.embedding(in, p, len(written))
	err = e.Embed(ctx, written)
	out := ChunkResult{Frames: len(written), Calls: e.Calls(), CostMicroUSD: e.CostMicroUSD(), BusyMS: time.Since(start).Milliseconds()}
	if err != nil {
		return out, err
	}
	refused := refusal.List{Key: p.RefusedKey(prefix, video.OfTexts, in.Chunk), Only: only}
	for i, text := range written {
		if bad := e.Refused(text); bad != nil {
			_ = refused.Take("frame", chunk.Frames[i], bad) // it takes every refusal
		}
	}
	return a.finish(ctx, in, out, &refused)
}

// embedding embeds a number of texts.
func (a *Activities) embedding(in ChunkInput, p video.Profile, number int) *texts.Set {
	return &texts.Set{
		Embedder: a.Embedder, Stage: a.modelStage(in, video.KindEmbed, p.Embed, a.Embedder), Profile: p, Most: refusal.Most(number),
	}
}

// captions reads the stored captions of a chunk, in its order. Refused frames have an empty
// caption, and so do all frames if the profile has no describer.
func (a *Activities) captions(ctx context.Context, t tenant.ID, p video.Profile, prefix string, chunk video.Chunk) ([]video.Caption, error) {
	out := make([]video.Caption, len(chunk.Frames))
	if p.Describe.Model == "" {
		return out, nil
	}
	refused, err := refusal.Read(ctx, a.Store, p.RefusedKey(prefix, video.KindDescribe, chunk.Index))
	if err != nil {
		return nil, err
	}
	group, ctx := panics.WithContext(ctx)
	group.SetLimit(reads)
	for i, f := range chunk.Frames {
		if refused.Has(f) {
			continue
		}
		group.Go(func() error {
			return activities.ReadJSON(ctx, a.Store, video.CaptionKey(t, p.CaptionFingerprint(f)), &out[i])
		})
	}
	return out, group.Wait()
}

func (a *Activities) texts(ctx context.Context, t tenant.ID, p video.Profile, prefix string, chunk video.Chunk) ([]string, error) {
	captions, err := a.captions(ctx, t, p, prefix, chunk)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(captions))
	for i, c := range captions {
		texts[i] = p.DocumentText(chunk.Frames[i], c)
	}
	return texts, nil
}
