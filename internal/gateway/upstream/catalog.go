// Package upstream calls the model servers of the configuration for the routes of the gateway:
// through the broker, with failover between the servers of a model. It passes bytes on, and reads
// only what decides about money. It knows no route and no listener.
package upstream

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/video"
)

// Use is what a route does with a model.
type Use struct {
	Path  string        // of the model server
	Kind  string        // of the ledger's entries
	Kinds []config.Kind // of endpoints that have it
	File  string        // field of a request with the content of a file in base64; "" = none
	Free  bool          // it costs nothing
}

// The uses.
var (
	Chat        = Use{Path: "/v1/chat/completions", Kind: kindComplete, Kinds: []config.Kind{config.OpenAI}}                                       //nolint:gochecknoglobals // a constant that Go cannot express
	Completions = Use{Path: "/v1/completions", Kind: kindComplete, Kinds: []config.Kind{config.OpenAI}}                                            //nolint:gochecknoglobals // a constant that Go cannot express
	Embeddings  = Use{Path: "/v1/embeddings", Kind: video.KindEmbed, Kinds: []config.Kind{config.Embeddings, config.Pooling, config.OpenAI}}       //nolint:gochecknoglobals // a constant that Go cannot express
	Pooling     = Use{Path: "/pooling", Kind: video.KindEmbed, Kinds: []config.Kind{config.Pooling, config.Embeddings, config.OpenAI}}             //nolint:gochecknoglobals // a constant that Go cannot express
	EmbedVideo  = Use{File: "video_b64", Path: "/embed/video", Kind: video.KindEmbed, Kinds: []config.Kind{config.Pooling, config.Embeddings}}     //nolint:gochecknoglobals // a constant that Go cannot express
	EmbedPart   = Use{File: "video", Path: "/v1/video/embeddings", Kind: video.KindEmbed, Kinds: []config.Kind{config.Pooling, config.Embeddings}} //nolint:gochecknoglobals // a constant that Go cannot express
	EmbedAudio  = Use{File: "audio_b64", Path: "/embed/audio", Kind: video.KindEmbed, Kinds: []config.Kind{config.Pooling, config.Embeddings}}     //nolint:gochecknoglobals // a constant that Go cannot express
	EmbedText   = Use{Path: "/embed/text", Kind: video.KindEmbed, Kinds: []config.Kind{config.Pooling, config.Embeddings}}                         //nolint:gochecknoglobals // a constant that Go cannot express
	Transcribe  = Use{Path: "/v1/audio/transcriptions", Kind: video.KindTranscribe, Kinds: []config.Kind{config.Transcriptions}}                   //nolint:gochecknoglobals // a constant that Go cannot express
	Tokenize    = Use{Path: "/tokenize", Kind: kindComplete, Kinds: []config.Kind{config.OpenAI, config.Pooling, config.Embeddings}, Free: true}   //nolint:gochecknoglobals // a constant that Go cannot express
)

// kindComplete is that of completions of prompts, too.
const kindComplete = "complete"

// streams says whether answers can be streams.
func (u Use) streams() bool { return u.Kind == kindComplete && !u.Free }

// url is the address of a use at an endpoint: servers have /v1 for OpenAI's protocol and other
// protocols beside it.
func (u Use) url(e config.Endpoint) string {
	path, openAI := strings.CutPrefix(u.Path, "/v1")
	base, versioned := strings.CutSuffix(e.URL, "/v1")
	switch {
	case !openAI, versioned:
		return base + u.Path
	case e.Kind == config.OpenAI: // its URL is that of the protocol, whatever it ends with
		return e.URL + path
	}
	return e.URL + u.Path
}

// find returns the servers of a model for a use.
func (d *Dispatcher) find(model string, u Use) (out []*server) {
	for _, s := range d.byModel[model] {
		if slices.Contains(u.Kinds, s.Kind) {
			out = append(out, s)
		}
	}
	return out
}

// Models are the names of all models, sorted.
func (d *Dispatcher) Models() []string { return slices.Sorted(maps.Keys(d.byModel)) }

// Well reports whether a server of a model, or of its fallbacks, is not left out because of its
// failures. It asks no server.
func (d *Dispatcher) Well(model string) bool {
	now := time.Now()
	for _, name := range append([]string{model}, d.fallbacks[model]...) {
		for _, s := range d.byModel[name] {
			if !s.standing(now).out {
				return true
			}
		}
	}
	return false
}

// Served returns an error for a model that no endpoint serves for a use.
func (d *Dispatcher) Served(model string, u Use) error {
	if len(d.find(model, u)) > 0 {
		return nil
	}
	e := &api.Error{Status: http.StatusNotFound, Code: "model_not_found", Param: "model", Message: "no endpoint serves the model " + quote(model) + "; GET /v1/models lists all"}
	if len(d.byModel[model]) > 0 {
		e.Message = "the model " + quote(model) + " is served, but not at " + u.Path
	}
	return e
}
