package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// reads is how many objects of a chunk are fetched at once.
const reads = 16

// EmbedChunk makes sure that the embedding of each frame's text is stored.
func (a *Ingest) EmbedChunk(ctx context.Context, in ChunkInput) (ChunkResult, error) {
	start := time.Now()
	p, chunk, _, err := a.chunk(ctx, in)
	if err != nil {
		return ChunkResult{}, err
	}
	stop := heartbeat(ctx, func() any { return nil })
	defer stop()
	texts, err := a.texts(ctx, in.Tenant, p, chunk)
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
		_, err := a.embedding(ctx, in.Tenant, p, text)
		if absent(err) {
			missing = append(missing, text)
		} else if err != nil {
			return ChunkResult{}, err
		}
	}
	if err := a.embed(ctx, in.Tenant, p, missing); err != nil {
		return ChunkResult{}, err
	}
	return ChunkResult{
		Frames: len(texts), Calls: len(missing), BusyMS: time.Since(start).Milliseconds(),
	}, nil
}

// embed computes and stores embeddings. A wrong number, shape or dimension is
// a failure of the model, never something to index.
func (a *Ingest) embed(ctx context.Context, t tenant.ID, p video.Profile, texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	vectors, err := a.Embedder.EmbedTexts(ctx, p.Embed.Model, texts)
	if err != nil {
		return err
	}
	if len(vectors) != len(texts) {
		return fault.New(fault.Transport, "embed with", p.Embed.Model,
			fmt.Sprintf("%d embeddings for %d texts", len(vectors), len(texts)))
	}
	for i, v := range vectors {
		if err := v.Check(); err != nil {
			return err
		}
		if v.Dim != p.Embed.Dim {
			return fault.New(fault.Input, "embed with", p.Embed.Model,
				fmt.Sprintf("%d dimensions where the profile says %d", v.Dim, p.Embed.Dim))
		}
		data, err := v.MarshalBinary()
		if err != nil {
			return err
		}
		key := video.EmbeddingKey(t, p.EmbedFingerprint(texts[i]))
		if _, err := a.Store.Put(ctx, key, bytes.NewReader(data)); err != nil {
			return err
		}
	}
	return nil
}

// embedding reads a stored embedding.
func (a *Ingest) embedding(ctx context.Context, t tenant.ID, p video.Profile, text string) (video.Embedding, error) {
	var v video.Embedding
	data, err := readAll(ctx, a.Store, video.EmbeddingKey(t, p.EmbedFingerprint(text)))
	if err != nil {
		return v, err
	}
	return v, v.UnmarshalBinary(data)
}

// captions reads the stored captions of a chunk, in its order.
func (a *Ingest) captions(ctx context.Context, t tenant.ID, p video.Profile, chunk video.Chunk) ([]video.Caption, error) {
	out := make([]video.Caption, len(chunk.Frames))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reads)
	for i, f := range chunk.Frames {
		group.Go(func() error {
			return readJSON(ctx, a.Store, video.CaptionKey(t, p.CaptionFingerprint(f)), &out[i])
		})
	}
	return out, group.Wait()
}

func (a *Ingest) texts(ctx context.Context, t tenant.ID, p video.Profile, chunk video.Chunk) ([]string, error) {
	captions, err := a.captions(ctx, t, p, chunk)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(captions))
	for i, c := range captions {
		texts[i] = p.DocumentText(chunk.Frames[i], c)
	}
	return texts, nil
}

// EmbedQueryInput asks for the embedding of a search query.
type EmbedQueryInput struct {
	Tenant tenant.ID         `json:"tenant"`
	Recipe video.Fingerprint `json:"recipe"`
	Query  string            `json:"query"`
}

// EmbedQueryResult names the stored embedding.
type EmbedQueryResult struct {
	Cached bool `json:"cached"`
}

// EmbedQuery makes sure that the embedding of a query is stored.
func (a *Ingest) EmbedQuery(ctx context.Context, in EmbedQueryInput) (EmbedQueryResult, error) {
	p, err := a.recipe(ctx, in.Tenant, in.Recipe)
	if err != nil {
		return EmbedQueryResult{}, err
	}
	_, err = a.embedding(ctx, in.Tenant, p, in.Query)
	if err == nil || !absent(err) {
		return EmbedQueryResult{Cached: err == nil}, err
	}
	return EmbedQueryResult{}, a.embed(ctx, in.Tenant, p, []string{in.Query})
}

// SearchInput asks for the best documents.
type SearchInput struct {
	Tenant tenant.ID         `json:"tenant"`
	Recipe video.Fingerprint `json:"recipe"`
	Query  string            `json:"query"`
	Rank   video.Rank        `json:"rank"`
	Limit  int               `json:"limit"`
}

// SearchResult holds them, best first.
type SearchResult struct {
	Hits []video.Hit `json:"hits"`
}

// Search looks a query up in the index.
func (a *Ingest) Search(ctx context.Context, in SearchInput) (SearchResult, error) {
	p, err := a.recipe(ctx, in.Tenant, in.Recipe)
	if err != nil {
		return SearchResult{}, err
	}
	q := video.Query{Tenant: in.Tenant, Profile: p.Name, Text: in.Query, Limit: in.Limit, Rank: in.Rank}
	if in.Rank != video.RankBM25 {
		q.Embedding, err = a.embedding(ctx, in.Tenant, p, in.Query)
		if err != nil {
			return SearchResult{}, errors.Join(errors.New("read the query's embedding"), err)
		}
	}
	hits, err := a.Index.Search(ctx, q)
	if hits == nil {
		hits = []video.Hit{}
	}
	return SearchResult{Hits: hits}, err
}
