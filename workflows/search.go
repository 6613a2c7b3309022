package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// SearchVideos embeds a query with the profile's model and looks it up.
func SearchVideos(ctx workflow.Context, in SearchVideosInput) (SearchVideosResult, error) {
	if err := in.check(ctx); err != nil {
		return SearchVideosResult{}, typed(err)
	}
	var a *ingest.Activities
	c, t := newCaller(in.Common), tenant.ID(in.Tenant)
	recipe, err := call(c.metadata(ctx, "pin the profile"), a.ResolveProfile,
		ingest.ResolveInput{Tenant: t, Profile: in.Profile})
	if err != nil {
		return SearchVideosResult{}, staged("resolve profile", err)
	}
	if video.Rank(in.Rank) != video.RankBM25 {
		_, err := callOnClass(ctx, c, StemEmbed, recipe.EmbedGPU, recipe.GPUWait, "embed the query", a.EmbedQuery,
			ingest.EmbedQueryInput{Tenant: t, Recipe: recipe.Fingerprint, Query: in.Query, LimitMicroUSD: micro(in.BudgetUSD)})
		if err != nil {
			return SearchVideosResult{}, staged(stageEmbed, err)
		}
	}
	found, err := call(c.lookup(ctx, "search"), a.Search, ingest.SearchInput{
		Tenant: t, Recipe: recipe.Fingerprint, Query: in.Query, Rank: video.Rank(in.Rank), Limit: in.Limit,
	})
	if err != nil {
		return SearchVideosResult{}, staged("search", err)
	}
	return SearchVideosResult{Hits: found.Hits}, nil
}

// ListVideos lists what is published.
func ListVideos(ctx workflow.Context, in ListVideosInput) (ListVideosResult, error) {
	if err := in.check(ctx); err != nil {
		return ListVideosResult{}, typed(err)
	}
	var a *ingest.Activities
	found, err := call(newCaller(in.Common).lookup(ctx, "list videos"), a.ListVideos, ingest.ListInput{
		Tenant: tenant.ID(in.Tenant), Profile: in.Profile, Video: video.ID(in.Video), Offset: in.Offset, Limit: in.Limit,
	})
	if err != nil {
		return ListVideosResult{}, staged("list", err)
	}
	return ListVideosResult{Videos: found.Videos}, nil
}

// DeleteVideo forgets a video in one profile or all.
func DeleteVideo(ctx workflow.Context, in DeleteVideoInput) (DeleteVideoResult, error) {
	if err := in.check(ctx); err != nil {
		return DeleteVideoResult{}, typed(err)
	}
	if err := describeRun(ctx, "DeleteVideo", in.Common, in.Profile); err != nil {
		return DeleteVideoResult{}, err
	}
	var a *ingest.Activities
	gone, err := call(newCaller(in.Common).index(ctx, "delete video "+in.Video[:12]), a.DeleteVideo, ingest.DeleteInput{
		Tenant: tenant.ID(in.Tenant), Video: video.ID(in.Video), Profile: in.Profile,
	})
	if err != nil {
		return DeleteVideoResult{}, staged("delete", err)
	}
	return DeleteVideoResult{Documents: gone.Documents, Objects: gone.Objects}, nil
}
