package activities

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/fault"
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
	k := a.newAsker(in, video.KindEmbed, p.Embed, a.Embedder)
	var refused refusals
	out, err := k.askAll(ctx, chunk.Frames, &refused, func(f video.Frame) question {
		fingerprint := p.PictureFingerprint(f)
		key := video.EmbeddingKey(in.Tenant, fingerprint)
		return question{
			fingerprint: fingerprint,
			key:         key,
			ask: func(ctx context.Context) (func(context.Context) error, int64, error) {
				vector, err := a.lookAt(ctx, p, prefix, f)
				if err != nil {
					return nil, 0, err
				}
				keep := func(ctx context.Context) error { return a.storeEmbedding(ctx, key, vector.Kept(p.Embed.Keep)) }
				return keep, p.Embed.CostMicroUSD, nil
			},
		}
	})
	if err != nil {
		return out, err
	}
	out.Refused = len(refused.reasons)
	return out, refused.settle(ctx, a.Store, p.RefusedKey(prefix, video.KindEmbed, in.Chunk), len(chunk.Frames))
}

// lookAt has the pictures of a frame or segment embedded.
func (a *Ingest) lookAt(ctx context.Context, p video.Profile, prefix string, f video.Frame) (video.Embedding, error) {
	var jpegs [][]byte
	for _, s := range f.Pictures(p.Embed.Of) {
		jpeg, err := readAll(ctx, a.Store, video.PictureKey(prefix, s.PTSMS))
		if err != nil {
			return video.Embedding{}, err
		}
		jpegs = append(jpegs, jpeg)
	}
	vector, err := a.Embedder.EmbedPictures(ctx, video.PictureRequest{Stage: p.Embed, JPEGs: jpegs})
	if err != nil {
		return video.Embedding{}, err
	}
	return vector, p.Embed.CheckVector(vector)
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
	cost, err := a.embedTexts(ctx, in, p, missing)
	return ChunkResult{
		Frames: len(texts), Calls: len(missing), CostMicroUSD: cost, BusyMS: time.Since(start).Milliseconds(),
	}, err
}

// embedTexts computes and stores the embeddings of documents' texts. A preview
// model costs nothing, so its calls are not in the ledger.
func (a *Ingest) embedTexts(ctx context.Context, in ChunkInput, p video.Profile, texts []string) (cost int64, err error) {
	k := a.newAsker(in, video.KindEmbed, p.Embed, a.Embedder)
	for some := range slices.Chunk(texts, batch) {
		ask := func(ctx context.Context) (func(context.Context) error, int64, error) {
			vectors, err := a.vectors(ctx, p.Embed, false, some)
			return func(ctx context.Context) error {
				for i, v := range vectors {
					key := video.EmbeddingKey(in.Tenant, p.EmbedFingerprint(some[i]))
					if err := a.storeEmbedding(ctx, key, v.Kept(p.Embed.Keep)); err != nil {
						return err
					}
				}
				return nil
			}, int64(len(some)) * p.Embed.CostMicroUSD, err
		}
		if p.Embed.Preview {
			keep, _, err := ask(ctx)
			if err == nil {
				err = keep(ctx)
			}
			if err != nil {
				return cost, err
			}
			continue
		}
		out, err := k.answered(ctx, question{
			fingerprint: video.NewFingerprint("embeddings", append([]string{p.Embed.Model}, some...)...),
			ask:         ask,
		})
		if cost += out.cost; err != nil {
			return cost, err
		}
	}
	return cost, nil
}

// vectors asks for the embeddings of texts. A wrong number, shape or dimension
// is a failure of the model, never something to index.
func (a *Ingest) vectors(ctx context.Context, stage video.Stage, query bool, texts []string) ([]video.Embedding, error) {
	vectors, err := a.Embedder.EmbedTexts(ctx, video.TextRequest{Stage: stage, Query: query, Texts: texts})
	if err != nil {
		return nil, err
	}
	if len(vectors) != len(texts) {
		return nil, fault.New(fault.Transport, "embed with", stage.Model,
			fmt.Sprintf("%d embeddings for %d texts", len(vectors), len(texts)))
	}
	for _, v := range vectors {
		if err := stage.CheckVector(v); err != nil {
			return nil, err
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
