package ingest

import (
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// Search embeds a query with the profile's model and searches the index.
func Search(ctx workflow.Context, in SearchInput) (SearchResult, error) {
	if err := in.check(ctx); err != nil {
		return SearchResult{}, workflows.Typed(err)
	}
	var a *ingest.Activities
	c, t := workflows.NewCaller(in.Common), tenant.ID(in.Tenant)
	recipe, err := workflows.Call(c.Metadata(ctx, "pin the profile"), a.ResolveProfile,
		ingest.ResolveInput{Tenant: t, Profile: in.Profile})
	if err != nil {
		return SearchResult{}, workflows.Staged("resolve profile", err)
	}
	if video.Rank(in.Rank) != video.RankBM25 && in.Like == "" {
		_, err := workflows.CallOnClass(ctx, c, workflows.StemEmbed, recipe.EmbedGPU, recipe.GPUWait, "embed the query", a.EmbedQuery,
			ingest.EmbedQueryInput{Tenant: t, Recipe: recipe.Fingerprint, Query: in.Query, Image: in.Image, LimitMicroUSD: workflows.MicroUSD(in.BudgetUSD)})
		if err != nil {
			return SearchResult{}, workflows.Staged(stageEmbed, err)
		}
	}
	found, err := workflows.Call(c.Lookup(ctx, "search"), a.Search, ingest.SearchInput{
		Tenant: t, Recipe: recipe.Fingerprint, Query: in.Query, Rank: video.Rank(in.Rank), Limit: in.Limit, Example: in.Example, Filter: in.Filter,
	})
	if err == nil && (in.Active() && !found.Filtered || in.Given() && !found.ByExample) {
		err = workflows.Typed(fault.New(fault.Input, "search", "", "an earlier build searched, which knows no filters or no examples; upgrade the workers of the pool index"))
	}
	if err != nil {
		return SearchResult{}, workflows.Staged("search", err)
	}
	return SearchResult{Hits: found.Hits, Searched: &Searched{
		Profile: recipe.Profile, Describe: recipe.Describe, Embed: recipe.Embed, Index: found.Index, Version: found.Version,
		Run: workflow.GetInfo(ctx).WorkflowExecution.RunID, Time: workflow.Now(ctx).UTC(),
	}}, nil
}

// ListVideos lists the published videos.
func ListVideos(ctx workflow.Context, in ListVideosInput) (ListVideosResult, error) {
	if err := in.check(ctx); err != nil {
		return ListVideosResult{}, workflows.Typed(err)
	}
	var a *ingest.Activities
	found, err := workflows.Call(workflows.NewCaller(in.Common).Lookup(ctx, "list videos"), a.ListVideos, ingest.ListInput{
		Tenant: tenant.ID(in.Tenant), Profile: in.Profile, Video: video.ID(in.Video), Offset: in.Offset, Limit: in.Limit,
	})
	if err != nil {
		return ListVideosResult{}, workflows.Staged("list", err)
	}
	return ListVideosResult{Videos: found.Videos}, nil
}

// DeleteVideo deletes a video from one profile or all.
func DeleteVideo(ctx workflow.Context, in DeleteVideoInput) (DeleteVideoResult, error) {
	if err := in.check(ctx); err != nil {
		return DeleteVideoResult{}, workflows.Typed(err)
	}
	if err := workflows.SetAttributes(ctx, "DeleteVideo", in.Common, in.Profile); err != nil {
		return DeleteVideoResult{}, err
	}
	var a *ingest.Activities
	gone, err := workflows.Call(workflows.NewCaller(in.Common).Index(ctx, "delete video "+in.Video[:12]), a.DeleteVideo, ingest.DeleteInput{
		Tenant: tenant.ID(in.Tenant), Video: video.ID(in.Video), Profile: in.Profile,
	})
	if err != nil {
		return DeleteVideoResult{}, workflows.Staged("delete", err)
	}
	return DeleteVideoResult{Documents: gone.Documents, Objects: gone.Objects}, nil
}
