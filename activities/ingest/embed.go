package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const (
	reads = 16 // objects of a chunk that are fetched concurrently
	batch = 64 // texts per call of a text embedder
)

// EmbedChunk makes sure that the embedding of each frame is stored: of its caption, its
// picture or the stills of its segment, as the profile says.
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
		shows: func(f video.Frame) (keys []string) {
			for _, s := range f.Pictures(p.Embed.Of) {
				keys = append(keys, video.PictureKey(prefix, s.PTSMS))
			}
			return keys
		},
		ask: func(ctx context.Context, key string, shown [][]byte) (video.PaidAnswer, error) {
			vector, err := a.embedPictures(ctx, p, shown)
			return video.PaidAnswer{
				CostMicroUSD: p.Embed.CostMicroUSD,
				Store:        func(ctx context.Context) error { return a.storeEmbedding(ctx, key, vector.Kept(p.Embed.Keep)) },
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
	texts, err := a.texts(ctx, in.Tenant, p, prefix, chunk)
	if err != nil {
		return ChunkResult{}, err
	}
	var missing []string
	seen := map[string]bool{}
	for _, text := range texts {
		if seen[text] {
			continue
		}
		seen[text] = true
		_, err := a.embedding(ctx, in.Tenant, p.EmbedFingerprint(text))
		if activities.Absent(err) {
			missing = append(missing, text)
		} else if err != nil {
			return ChunkResult{}, err
		}
	}
	e := &textEmbedding{a: a, in: in, p: p, most: refusal.Most(len(texts)), bad: map[string]error{}}
	err = e.all(ctx, missing)
	out := ChunkResult{Frames: len(texts), Calls: e.calls, CostMicroUSD: e.cost, BusyMS: time.Since(start).Milliseconds()}
	if err != nil {
		return out, err
	}
	refused := refusal.List{Key: p.RefusedKey(prefix, video.OfTexts, in.Chunk), Only: only}
	for i, text := range texts {
		if bad := e.bad[text]; bad != nil {
			_ = refused.Take("frame", chunk.Frames[i], bad) // it takes every refusal
		}
	}
	return a.finish(ctx, in, out, &refused)
}

// textEmbedding computes and stores the embeddings of documents' texts.
type textEmbedding struct {
	a    *Activities
	in   ChunkInput
	p    video.Profile
	m    *activities.ModelStage
	most int // maximum of refused texts

	mu    sync.Mutex
	calls int // texts that were embedded
	cost  int64
	bad   map[string]error // texts that the model refuses, and why
	first error            // of them
}

// all embeds texts. A preview model costs nothing, so its calls are not in the ledger.
func (e *textEmbedding) all(ctx context.Context, texts []string) error {
	if e.p.Embed.Preview {
		for some := range slices.Chunk(texts, batch) {
			answer, err := e.a.askTexts(ctx, e.in.Tenant, e.p, some)
			if err == nil {
				err = answer.Store(ctx)
			}
			if err != nil {
				return err
			}
		}
		e.calls = len(texts)
		return nil
	}
	e.m = e.a.modelStage(e.in, video.KindEmbed, e.p.Embed, e.a.Embedder)
	return each(slices.Collect(slices.Chunk(texts, e.a.textsPerCall(e.p.Embed))), func(some []string) error { return e.some(ctx, some) })
}

// some embeds texts by one request. A refused batch is split until the refused text is
// found.
func (e *textEmbedding) some(ctx context.Context, texts []string) error {
	paid, err := e.m.Answered(ctx, e.question(texts))
	e.count(paid, len(texts))
	_, bad := errors.AsType[*video.BadVector](err)
	switch {
	case fault.ClassOf(err) != fault.Input, money.IsCharged(err) && !bad: // a mistake of the profile
		return err
	case len(texts) == 1:
		return e.refuse(texts[0], err)
	}
	half := len(texts) / 2
	if err := e.some(ctx, texts[:half]); err != nil {
		return err
	}
	return e.some(ctx, texts[half:])
}

func (e *textEmbedding) question(texts []string) activities.Question {
	q := activities.Question{
		Fingerprint: e.batch(texts),
		Cost:        money.Times(len(texts), e.p.Embed.CostMicroUSD),
		Unpriced:    e.p.Embed.Unpriced,
		Prepare: func(context.Context) (video.Ask, error) {
			return func(ctx context.Context) (video.PaidAnswer, error) {
				answer, err := e.a.askTexts(ctx, e.in.Tenant, e.p, texts)
				if bad, ok := errors.AsType[*video.BadVector](err); ok && len(texts) > 1 {
					// The same request would be billed again for the same text, so the
					// others are requested without it.
					err = money.ChargeUnknown(&fault.Error{Class: fault.Input, Err: bad})
				}
				return answer, err
			}, nil
		},
	}
	if len(texts) == 1 {
		q.Fingerprint = e.p.EmbedFingerprint(texts[0])
		q.Key = video.EmbeddingKey(e.in.Tenant, q.Fingerprint)
	}
	return q
}

// batch names a request of several texts by the embeddings that it stores. Only a request
// that stores the same is the same: profiles may keep vectors of one model in different ways.
func (e *textEmbedding) batch(texts []string) video.Fingerprint {
	stored := make([]string, len(texts))
	for i, text := range texts {
		stored[i] = string(e.p.EmbedFingerprint(text))
	}
	return video.NewFingerprint("embeddings", stored...)
}

func (e *textEmbedding) count(paid video.Paid, texts int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cost = money.Sum(e.cost, paid.CostMicroUSD)
	if paid.Called {
		e.calls += texts
	}
}

// refuse leaves a text out. When many are refused the model is at fault, and no more are
// requested.
func (e *textEmbedding) refuse(text string, why error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bad[text] = why
	if e.first == nil {
		e.first = why
	}
	if len(e.bad) > e.most {
		return e.first
	}
	return nil
}

// textsPerCall is the number of texts in one request. An embedder that sends one request
// per text gets one at a time, because a ledger entry is one request.
func (a *Activities) textsPerCall(s video.Stage) int {
	if e, ok := a.Embedder.(interface{ TextsPerCall(s video.Stage) int }); ok {
		return max(1, min(e.TextsPerCall(s), batch))
	}
	return batch
}

// askTexts requests the embeddings of texts, and can store them.
func (a *Activities) askTexts(ctx context.Context, t tenant.ID, p video.Profile, texts []string) (video.PaidAnswer, error) {
	vectors, err := a.vectors(ctx, p.Embed, false, texts)
	return video.PaidAnswer{
		CostMicroUSD: money.Times(len(texts), p.Embed.CostMicroUSD),
		Store: func(ctx context.Context) error {
			for i, v := range vectors {
				if err := a.storeEmbedding(ctx, video.EmbeddingKey(t, p.EmbedFingerprint(texts[i])), v.Kept(p.Embed.Keep)); err != nil {
					return err
				}
			}
			return nil
		},
	}, err
}

// vectors requests the embeddings of texts. A wrong number, shape or dimension is a failure
// of the model and is never indexed.
func (a *Activities) vectors(ctx context.Context, stage video.Stage, query bool, texts []string) ([]video.Embedding, error) {
	vectors, err := a.Embedder.EmbedTexts(ctx, video.TextRequest{Stage: stage, Query: query, Texts: texts})
	if err != nil {
		return nil, err
	}
	cost := money.Times(len(texts), stage.CostMicroUSD)
	if len(vectors) != len(texts) {
		return nil, money.Charge(fault.New(fault.Transport, "embed with", stage.Model,
			fmt.Sprintf("%d embeddings for %d texts", len(vectors), len(texts))), cost)
	}
	for _, v := range vectors {
		if err := stage.CheckVector(v); err != nil {
			return nil, money.Charge(video.AsBadVector(err), cost)
		}
	}
	return vectors, nil
}

func (a *Activities) storeEmbedding(ctx context.Context, key string, v video.Embedding) error {
	data, err := v.MarshalBinary()
	if err != nil {
		return err
	}
	_, err = a.Store.Put(ctx, key, bytes.NewReader(data))
	return err
}

// embedding reads a stored embedding.
func (a *Activities) embedding(ctx context.Context, t tenant.ID, f video.Fingerprint) (video.Embedding, error) {
	var v video.Embedding
	data, err := activities.ReadAll(ctx, a.Store, video.EmbeddingKey(t, f))
	if err != nil {
		return v, err
	}
	return v, v.UnmarshalBinary(data)
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
