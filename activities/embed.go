package activities

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const (
	reads = 16 // objects of a chunk that are fetched at once
	batch = 64 // texts a call of a text embedder
)

// EmbedChunk makes sure that the embedding of each frame is stored: of its
// caption, its picture or the stills of its segment, as the profile says.
func (a *Ingest) EmbedChunk(ctx context.Context, in ChunkInput) (ChunkResult, error) {
	p, chunk, prefix, err := a.chunk(ctx, in)
	if err != nil {
		return ChunkResult{}, err
	}
	if p.Embed.Of == video.OfCaption {
		if chunk, err = a.kept(ctx, p, prefix, chunk); err != nil {
			return ChunkResult{}, err
		}
		return a.embedCaptions(ctx, in, p, prefix, chunk)
	}
	m := a.modelStage(in, video.KindEmbed, p.Embed, a.Embedder)
	var refused refusals
	out, err := askAll(ctx, m, chunk.Frames, &refused, func(f video.Frame) question {
		fingerprint := p.PictureFingerprint(f)
		key := video.EmbeddingKey(in.Tenant, fingerprint)
		return question{
			fingerprint: fingerprint,
			key:         key,
			cost:        p.Embed.CostMicroUSD,
			unpriced:    p.Embed.Unpriced,
			prepare: func(ctx context.Context) (video.Ask, error) {
				jpegs, err := a.jpegs(ctx, p, prefix, f)
				return func(ctx context.Context) (video.PaidAnswer, error) {
					vector, err := a.lookAt(ctx, p, jpegs)
					return video.PaidAnswer{
						CostMicroUSD: p.Embed.CostMicroUSD,
						Store:        func(ctx context.Context) error { return a.storeEmbedding(ctx, key, vector.Kept(p.Embed.Keep)) },
					}, err
				}, err
			},
		}
	})
	if err == nil {
		err = a.spent(ctx, in, &out)
	}
	if err != nil {
		return out, err
	}
	out.Refused = len(refused.reasons)
	return out, refused.settle(ctx, a.Store, p.RefusedKey(prefix, video.KindEmbed, in.Chunk), len(chunk.Frames))
}

// jpegs reads the pictures of a frame or segment.
func (a *Ingest) jpegs(ctx context.Context, p video.Profile, prefix string, f video.Frame) (jpegs [][]byte, err error) {
	for _, s := range f.Pictures(p.Embed.Of) {
		jpeg, err := readAll(ctx, a.Store, video.PictureKey(prefix, s.PTSMS))
		if err != nil {
			return nil, err
		}
		jpegs = append(jpegs, jpeg)
	}
	return jpegs, nil
}

// lookAt has them embedded. A vector that does not fit is paid for.
func (a *Ingest) lookAt(ctx context.Context, p video.Profile, jpegs [][]byte) (video.Embedding, error) {
	vector, err := a.Embedder.EmbedPictures(ctx, video.PictureRequest{Stage: p.Embed, JPEGs: jpegs})
	if err != nil {
		return video.Embedding{}, err
	}
	if err := p.Embed.CheckVector(vector); err != nil {
		return video.Embedding{}, money.Charge(err, p.Embed.CostMicroUSD)
	}
	return vector, nil
}

func (a *Ingest) embedCaptions(ctx context.Context, in ChunkInput, p video.Profile, prefix string, chunk video.Chunk) (ChunkResult, error) {
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
		if absent(err) {
			missing = append(missing, text)
		} else if err != nil {
			return ChunkResult{}, err
		}
	}
	calls, cost, err := a.embedTexts(ctx, in, p, missing)
	out := ChunkResult{Frames: len(texts), Calls: calls, CostMicroUSD: cost, BusyMS: time.Since(start).Milliseconds()}
	if err == nil {
		err = a.spent(ctx, in, &out)
	}
	return out, err
}

// embedTexts computes and stores the embeddings of documents' texts. A preview
// model costs nothing, so its calls are not in the ledger.
func (a *Ingest) embedTexts(ctx context.Context, in ChunkInput, p video.Profile, texts []string) (calls int, cost int64, err error) {
	if p.Embed.Preview {
		for some := range slices.Chunk(texts, batch) {
			answer, err := a.askTexts(ctx, in.Tenant, p, some)
			if err == nil {
				err = answer.Store(ctx)
			}
			if err != nil {
				return 0, 0, err
			}
		}
		return len(texts), 0, nil
	}
	m := a.modelStage(in, video.KindEmbed, p.Embed, a.Embedder)
	var mu sync.Mutex
	err = each(slices.Collect(slices.Chunk(texts, a.textsPerCall(p.Embed))), func(some []string) error {
		q := question{
			fingerprint: video.NewFingerprint("embeddings", append([]string{p.Embed.Model}, some...)...),
			cost:        money.Times(len(some), p.Embed.CostMicroUSD),
			unpriced:    p.Embed.Unpriced,
			prepare: func(context.Context) (video.Ask, error) {
				return func(ctx context.Context) (video.PaidAnswer, error) { return a.askTexts(ctx, in.Tenant, p, some) }, nil
			},
		}
		if len(some) == 1 {
			q.fingerprint = p.EmbedFingerprint(some[0])
			q.key = video.EmbeddingKey(in.Tenant, q.fingerprint)
		}
		paid, err := m.answered(ctx, q)
		mu.Lock()
		defer mu.Unlock()
		cost = money.Sum(cost, paid.CostMicroUSD)
		if paid.Called {
			calls += len(some)
		}
		return err
	})
	return calls, cost, err
}

// textsPerCall is how many texts go into one request. An embedder that makes a
// request for each text gets one at a time: a ledger entry is one request.
func (a *Ingest) textsPerCall(s video.Stage) int {
	if e, ok := a.Embedder.(interface{ TextsPerCall(s video.Stage) int }); ok {
		return max(1, min(e.TextsPerCall(s), batch))
	}
	return batch
}

// askTexts asks for the embeddings of some texts, and can store them.
func (a *Ingest) askTexts(ctx context.Context, t tenant.ID, p video.Profile, texts []string) (video.PaidAnswer, error) {
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

// vectors asks for the embeddings of texts. A wrong number, shape or dimension
// is a failure of the model, never something to index.
func (a *Ingest) vectors(ctx context.Context, stage video.Stage, query bool, texts []string) ([]video.Embedding, error) {
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
			return nil, money.Charge(err, cost)
		}
	}
	return vectors, nil
}

func (a *Ingest) storeEmbedding(ctx context.Context, key string, v video.Embedding) error {
	data, err := v.MarshalBinary()
	if err != nil {
		return err
	}
	_, err = a.Store.Put(ctx, key, bytes.NewReader(data))
	return err
}

// embedding reads a stored embedding.
func (a *Ingest) embedding(ctx context.Context, t tenant.ID, f video.Fingerprint) (video.Embedding, error) {
	var v video.Embedding
	data, err := readAll(ctx, a.Store, video.EmbeddingKey(t, f))
	if err != nil {
		return v, err
	}
	return v, v.UnmarshalBinary(data)
}

// captions reads the stored captions of a chunk, in its order. Those of frames
// that the describer refused are empty, and all when the profile has none.
func (a *Ingest) captions(ctx context.Context, t tenant.ID, p video.Profile, prefix string, chunk video.Chunk) ([]video.Caption, error) {
	out := make([]video.Caption, len(chunk.Frames))
	if p.Describe.Model == "" {
		return out, nil
	}
	refused, err := a.refused(ctx, p.RefusedKey(prefix, video.KindDescribe, chunk.Index))
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reads)
	for i, f := range chunk.Frames {
		if _, none := refused[strconv.FormatInt(f.PTSMS, 10)]; none {
			continue
		}
		group.Go(func() error {
			return readJSON(ctx, a.Store, video.CaptionKey(t, p.CaptionFingerprint(f)), &out[i])
		})
	}
	return out, group.Wait()
}

func (a *Ingest) texts(ctx context.Context, t tenant.ID, p video.Profile, prefix string, chunk video.Chunk) ([]string, error) {
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
