// Package library has the routes of what was ingested: search, videos, their frames, words and
// bytes. Workers search and list; the rest is read from the store and from the source of a video.
// It stores pictures to search by, changes nothing else, and knows no listener and no key.
package library

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/picture"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// API has the routes.
type API struct {
	Workers api.Asker
	// Store opens the store of the configuration, or returns the one that is open.
	Store func(ctx context.Context) (activities.Store, error)
	// Source opens the bytes of a video where it was ingested from.
	Source func(ctx context.Context, t tenant.ID, uri string) (Bytes, error)

	decoders sync.Once
	decoding chan struct{} // holds a value for each picture that is decoded

	recipes sync.Map // by key: a video.Profile, which never changes
}

const tag = "videos"

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	get := func(path, name, summary string, query []api.Param, response any, handle api.Handler) api.Route {
		return api.Route{
			Method: http.MethodGet, Path: path, Name: name, Tag: tag, Summary: summary, Query: query, Response: response,
			Errors: []int{http.StatusNotFound, http.StatusBadGateway}, Handle: handle,
		}
	}
	frame := get("/videos/{video}/frames/{frame}", "getFrame", "The JPEG of a frame of a video", frameParams(), nil, a.frame)
	poster := get("/videos/{video}/poster.jpg", "getPoster", "The JPEG that stands for a video", posterParams(), nil, a.poster)
	content := get("/videos/{video}/content", "getContent", "The bytes of a video, whole or a range, as a player asks for them", contentParams(), nil, a.content)
	frame.Media, poster.Media, content.Media = jpeg, jpeg, "video/*, audio/*, "+anything
	frame.More, poster.More = []int{http.StatusNotModified}, []int{http.StatusNotModified}
	content.More = []int{http.StatusPartialContent, http.StatusNotModified}
	content.Errors = append(content.Errors, http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable)
	example := api.Route{
		Method: http.MethodPost, Path: "/search/examples", Name: "storeExample", Tag: tag, Summary: "Store a picture to search by: a JPEG, PNG or WebP",
		Request: Picture(""), RequestMedia: anything, Response: Example{}, MaxBody: picture.MaxFile, Errors: []int{http.StatusBadGateway}, Handle: a.example,
	}
	return []api.Route{
		example,
		get("/search", "searchVideos", "Find moments in videos, by video", searchParams(), searched(), a.search),
		get("/videos", "listVideos", "List the videos that search can find", listParams(), listed(), a.list),
		get("/videos/{video}", "getVideo", "One video: its media, a contact sheet and its words by time", videoParams(), Video{}, a.video),
		frame, poster, content,
	}
}

// common is the part of an input that says who asks. People wait for the answer.
func common(c api.Caller) workflows.Common {
	return workflows.Common{Tenant: string(c.Tenant), Priority: 1}
}

func notFound(what string) error {
	return api.Fail(http.StatusNotFound, "not_found", what)
}

// missing turns an object that does not exist into what a caller is told.
func missing(err error, what string) error {
	if errors.Is(err, object.ErrNotFound) {
		return notFound(what)
	}
	return err
}

// id reads the video in the path of a request.
func id(r *http.Request) (video.ID, error) {
	v, err := video.ParseID(r.PathValue("video"))
	if err != nil {
		return "", api.BadField("video", "a video is named by the 64 hexadecimal digits of its SHA-256; GET /videos lists them")
	}
	return v, nil
}
