package library

import (
	"net/http"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

const (
	maxHits   = 1000
	maxVideos = 500
	maxMS     = 1000 * 3600 * 1000
)

func searched() any { return ingest.SearchGroups{} }

func listed() any { return ingest.ListVideosResult{} }

func searchParams() []api.Param {
	return []api.Param{
		{Name: "q", Text: "words to search for; required without an example"},
		{Name: "profile", Text: "profile to search; default: the active one"},
		{Name: "limit", Text: "maximum number of hits, 1 to 1000; default 10"},
		{Name: "rank", Text: "hybrid (default), bm25 or vector, which is used for an example without words"},
		{Name: "video", Text: "only this video: its file name or SHA-256; can be repeated"},
		{Name: "from_ms", Text: "only what lasts beyond this time of its video, in milliseconds"},
		{Name: "to_ms", Text: "only what begins before this time, in milliseconds"},
		{Name: "kind", Text: "only frame, speech or audio; can be repeated"},
		{Name: "language", Text: "only speech in this language, such as en; can be repeated"},
		{Name: "per_video", Text: "maximum number of hits of one video; default: no limit"},
		{Name: "like", Text: "find what is like this hit: the id of a hit of an earlier search"},
		{Name: "image", Text: "find what looks like this picture: what POST /search/examples has answered; requires a profile that embeds pictures"},
	}
}

// search answers by videos, the one with the best hit first.
func (a *API) search(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	q := api.Query(r, searchParams(), "video", "kind", "language")
	in := ingest.SearchInput{
		Common: common(c), Query: q.Text("q"), Profile: q.Text("profile"), Limit: int(q.Int("limit", 10, 1, maxHits)),
		Example: video.Example{Like: q.Text("like"), Image: q.Text("image")},
		Filter: video.Filter{
			Videos: q.List("video"), FromMS: q.Int("from_ms", 0, 0, maxMS), ToMS: q.Int("to_ms", 0, 1, maxMS), Languages: q.List("language"),
			PerVideo: int(q.Int("per_video", 0, 1, maxHits)),
		},
	}
	for _, kind := range q.List("kind") {
		in.Kinds = append(in.Kinds, video.Kind(kind))
	}
	in.Rank = q.Word("rank", string(in.DefaultRank(in.Query)), string(video.RankHybrid), string(video.RankBM25), string(video.RankVector))
	if err := q.Err(); err != nil {
		return err
	}
	if in.Query == "" && !in.Given() {
		return api.BadField("q", "give words in q, the id of a hit in like, or a picture in image")
	}
	if err := in.Check(); err != nil {
		return err
	}
	if err := in.Fits(in.Query, video.Rank(in.Rank)); err != nil {
		return err
	}
	var found ingest.SearchResult
	err := a.Workers.Ask(r.Context(), api.Question{
		Kind: "SearchVideos", Stem: "search", Tenant: c.Tenant, Profile: in.Profile, Summary: "search by HTTP", Input: in,
	}, &found)
	if err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusOK, found.Groups())
	return nil
}

func listParams() []api.Param {
	return []api.Param{
		{Name: "profile", Text: "only this profile; default: all"},
		{Name: "offset", Text: "videos to skip"},
		{Name: "limit", Text: "maximum number of videos, 1 to 500; default 100"},
	}
}

// list answers one entry for each video and profile.
func (a *API) list(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	q := api.Query(r, listParams())
	in := ingest.ListVideosInput{
		Common: common(c), Profile: q.Text("profile"), Offset: int(q.Int("offset", 0, 0, 1<<30)), Limit: int(q.Int("limit", 100, 1, maxVideos)),
	}
	if err := q.Err(); err != nil {
		return err
	}
	var found ingest.ListVideosResult
	err := a.Workers.Ask(r.Context(), api.Question{
		Kind: "ListVideos", Stem: "videos", Tenant: c.Tenant, Profile: in.Profile, Summary: "list videos", Input: in,
	}, &found)
	if err != nil {
		return err
	}
	if found.Videos == nil {
		found.Videos = []video.Generation{}
	}
	api.WriteJSON(w, http.StatusOK, found)
	return nil
}
