package ingest

import (
	"context"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/texts"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/passage"
)

// EmbedQueryInput asks for the embedding of a search query.
type EmbedQueryInput struct {
	Tenant tenant.ID         `json:"tenant"`
	Recipe video.Fingerprint `json:"recipe"`
	Query  string            `json:"query"`
	// Image is the picture to embed in place of words; see video.Example.
	Image string `json:"image,omitempty"`
	// LimitMicroUSD is the budget of the search; 0 = none.
	LimitMicroUSD int64 `json:"limit_micro_usd,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in EmbedQueryInput) Owner() tenant.ID { return in.Tenant }

// EmbedQueryResult names the stored embedding.
type EmbedQueryResult struct {
	Cached bool `json:"cached"`
}

// EmbedQuery makes sure that the embedding of a query is stored.
func (a *Activities) EmbedQuery(ctx context.Context, in EmbedQueryInput) (EmbedQueryResult, error) {
	p, err := a.recipe(ctx, in.Tenant, in.Recipe)
	if err != nil {
		return EmbedQueryResult{}, err
	}
	q := a.words(p, in.Query)
	if in.Image != "" {
		if q, err = a.shown(in.Tenant, p, in.Image); err != nil {
			return EmbedQueryResult{}, err
		}
	}
	_, err = texts.Read(ctx, a.Store, in.Tenant, q.fingerprint)
	if err == nil || !activities.Absent(err) {
		return EmbedQueryResult{Cached: err == nil}, err
	}
	if activities.Stopping(ctx) {
		return EmbedQueryResult{}, activities.ErrStopping
	}
	key := video.EmbeddingKey(in.Tenant, q.fingerprint)
	prepare := func(ctx context.Context) (video.Ask, error) {
		embed, err := q.prepare(ctx)
		return func(ctx context.Context) (video.PaidAnswer, error) {
			vector, err := embed(ctx)
			return video.PaidAnswer{
				CostMicroUSD: p.Embed.CostMicroUSD,
				Store:        func(ctx context.Context) error { return texts.Write(ctx, a.Store, key, vector) },
			}, err
		}, err
	}
	if p.Embed.Preview { // costs nothing
		ask, err := prepare(ctx)
		if err != nil {
			return EmbedQueryResult{}, err
		}
		answer, err := ask(ctx)
		if err != nil {
			return EmbedQueryResult{}, err
		}
		return EmbedQueryResult{}, answer.Store(ctx)
	}
	run := ChunkInput{
		VideoRef: VideoRef{Tenant: in.Tenant}, Job: activity.GetInfo(ctx).WorkflowExecution.RunID, LimitMicroUSD: in.LimitMicroUSD,
	}
	_, err = a.modelStage(run, video.KindEmbed, p.Embed, a.Embedder).Answered(ctx, activities.Question{
		Fingerprint: q.fingerprint, Key: key, Cost: p.Embed.CostMicroUSD, Unpriced: p.Embed.Unpriced,
		Prepare: prepare,
	})
	return EmbedQueryResult{}, err
}

// SearchInput asks for the best documents.
type SearchInput struct {
	Tenant tenant.ID         `json:"tenant"`
	Recipe video.Fingerprint `json:"recipe"`
	Query  string            `json:"query"`
	Rank   video.Rank        `json:"rank"`
	Limit  int               `json:"limit"`
	video.Example
	video.Filter
}

// Owner is the tenant that the activity works for.
func (in SearchInput) Owner() tenant.ID { return in.Tenant }

// SearchResult holds them, best first.
type SearchResult struct {
	Hits    []video.Hit `json:"hits"`
	Index   string      `json:"index,omitempty"`   // what was searched, for people
	Version string      `json:"version,omitempty"` // build of the worker that searched
	// Filtered is false if the worker has an earlier build, which knows no filters.
	Filtered bool `json:"filtered,omitempty"`
	// ByExample is false if the worker has an earlier build, which searches by words only.
	ByExample bool `json:"by_example,omitempty"`
}

// Search searches the index.
func (a *Activities) Search(ctx context.Context, in SearchInput) (SearchResult, error) {
	p, err := a.recipe(ctx, in.Tenant, in.Recipe)
	if err != nil {
		return SearchResult{}, err
	}
	q := video.Query{Tenant: in.Tenant, Profile: p.Name, Text: in.Query, Multi: p.Embed.Multi, Limit: in.Limit, Rank: in.Rank}
	if q.Embedding, err = a.compared(ctx, p, in); err != nil {
		return SearchResult{}, err
	}
	if q.Filter, err = a.resolve(ctx, in.Tenant, p.Name, in.Filter); err != nil {
		return SearchResult{}, err
	}
	hits, err := a.Index.Search(ctx, q)
	if hits == nil {
		hits = []video.Hit{}
	}
	return SearchResult{
		Hits: video.ExampleFirst(hits, in.Like), Index: a.IndexName, Version: a.Version, Filtered: in.Active(), ByExample: in.Given(),
	}, err
}

// resolve replaces the names of videos by their ids, and those of languages by their codes. A name can be that of several videos.
func (a *Activities) resolve(ctx context.Context, t tenant.ID, profile string, f video.Filter) (video.Filter, error) {
	if err := f.Check(); err != nil {
		return f, err
	}
	var ids []string
	for _, name := range f.Videos {
		if _, err := video.ParseID(name); err == nil {
			ids = append(ids, name)
			continue
		}
		found, err := a.Index.Published(ctx, video.PublishedFilter{Tenant: t, Profile: profile, Name: name, Limit: video.MaxFilterVideos})
		if err != nil {
			return f, err
		}
		if len(found) == 0 {
			return f, fault.New(fault.Input, "search", name, "is not the file name or the SHA-256 of a video in profile "+profile+
				"; cogflow videos list shows them")
		}
		for _, g := range found {
			ids = append(ids, string(g.Video))
		}
	}
	f.Videos = ids
	languages := make([]string, len(f.Languages))
	for i, l := range f.Languages {
		languages[i] = passage.Language(l)
	}
	f.Languages = languages
	return f, nil
}
