package ingest

import (
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// SearchInput starts SearchVideos.
type SearchInput struct {
	workflows.Common
	Query   string `json:"query,omitempty"`   // words to search for; required without image or like
	Profile string `json:"profile,omitempty"` // default: the configured active one, else local_preview
	Limit   int    `json:"limit,omitempty"`   // maximum number of hits, up to 1000; default 10
	Rank    string `json:"rank,omitempty"`    // "hybrid" (default), "bm25" or "vector" (default of a search by an example alone)
	video.Example
	video.Filter

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *SearchInput) UnmarshalJSON(data []byte) error {
	type plain SearchInput
	in.received = workflows.Receive(data, (*plain)(in))
	return nil
}

const maxQuery = 4096 // bytes; a query is a sentence, not a document

func (in *SearchInput) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if in.Limit == 0 {
		in.Limit = 10
	}
	if in.Rank == "" {
		in.Rank = string(in.DefaultRank(in.Query))
	}
	if !isName(in.Rank) { // the index knows which rank profiles it has
		return fault.New(fault.Input, "read input", "rank", "must be hybrid, bm25, vector or a rank profile of the index")
	}
	switch {
	case in.Limit < 1 || in.Limit > 1000:
		return fault.New(fault.Input, "read input", "limit", "must be 1 to 1000")
	case len(in.Query) > maxQuery:
		return fault.New(fault.Input, "read input", "query", "must be at most 4096 bytes")
	}
	if err := in.Fits(in.Query, video.Rank(in.Rank)); err != nil {
		return err
	}
	if !in.Given() {
		if err := workflows.Required("query", in.Query); err != nil {
			return err
		}
	}
	if err := in.Check(); err != nil {
		return err
	}
	return in.CheckCommon()
}

// isName reports whether a text has the form of a rank profile's name.
func isName(s string) bool {
	const longest = 64
	return len(s) <= longest && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// SearchResult is what SearchVideos returns, best hit first.
type SearchResult struct {
	Hits     []video.Hit `json:"hits"`               // best first
	Searched *Searched   `json:"searched,omitempty"` // what was searched
}

// SearchGroups is what a search found, by videos: the one with the best hit first.
type SearchGroups struct {
	Videos   []SearchGroup `json:"videos"`             // best first
	Searched *Searched     `json:"searched,omitempty"` // what was searched
}

// SearchGroup is what a search found in one video.
type SearchGroup struct {
	Video video.ID    `json:"video"` // SHA-256 of the content
	URI   string      `json:"uri"`   // where the video was ingested from
	Name  string      `json:"name"`  // file name
	Score float64     `json:"score"` // of its best hit
	Hits  []video.Hit `json:"hits"`  // best first
}

// Groups puts the hits of each video together.
func (r SearchResult) Groups() SearchGroups {
	out := SearchGroups{Videos: []SearchGroup{}, Searched: r.Searched}
	at := map[video.ID]int{}
	for _, h := range r.Hits {
		i, ok := at[h.Video]
		if !ok {
			i = len(out.Videos)
			at[h.Video] = i
			out.Videos = append(out.Videos, SearchGroup{Video: h.Video, URI: h.URI, Name: h.Name, Score: h.Score})
		}
		out.Videos[i].Hits = append(out.Videos[i].Hits, h)
	}
	return out
}

// Searched says what a search looked into, so that an answer that was saved can be traced.
type Searched struct {
	Profile  string    `json:"profile"`            // profile that was searched
	Describe string    `json:"describe,omitempty"` // model and revision of the captions
	Embed    string    `json:"embed,omitempty"`    // model and revision of the embeddings
	Index    string    `json:"index,omitempty"`    // index that was searched
	Version  string    `json:"version,omitempty"`  // cogflow version of the worker
	Run      string    `json:"run"`                // run id of the search
	Time     time.Time `json:"time"`               // when it ended
}

// DeleteVideoInput starts DeleteVideo.
type DeleteVideoInput struct {
	workflows.Common
	Video   string `json:"video"`             // SHA-256 of the content
	Profile string `json:"profile,omitempty"` // default: every profile

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *DeleteVideoInput) UnmarshalJSON(data []byte) error {
	type plain DeleteVideoInput
	in.received = workflows.Receive(data, (*plain)(in))
	return nil
}

func (in *DeleteVideoInput) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if _, err := video.ParseID(in.Video); err != nil {
		return err
	}
	return in.CheckCommon()
}

// DeleteVideoResult is what DeleteVideo returns.
type DeleteVideoResult struct {
	Documents int `json:"documents"` // documents removed from the index
	Objects   int `json:"objects"`   // objects removed from the store; captions and embeddings stay for other videos
}

// ListVideosInput starts ListVideos.
type ListVideosInput struct {
	workflows.Common
	Profile string `json:"profile,omitempty"` // default: every profile
	Video   string `json:"video,omitempty"`   // SHA-256 of one video; default: all
	Offset  int    `json:"offset,omitempty"`  // videos to skip
	Limit   int    `json:"limit,omitempty"`   // maximum number of videos, up to 500; default 100

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *ListVideosInput) UnmarshalJSON(data []byte) error {
	type plain ListVideosInput
	in.received = workflows.Receive(data, (*plain)(in))
	return nil
}

func (in *ListVideosInput) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > 500 || in.Offset < 0 {
		return fault.New(fault.Input, "read input", "limit", "must be a limit of 1 to 500 and an offset of at least 0")
	}
	return in.CheckCommon()
}

// ListVideosResult is what ListVideos returns.
type ListVideosResult struct {
	Videos []video.Generation `json:"videos"` // one entry per video and profile
}
