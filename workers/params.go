package main

import (
	"slices"

	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/config"
)

// parameters returns what the requests to an endpoint omit. Nulls of chat models are part of their
// roles and profiles, because stored answers depend on them.
func parameters(e config.Endpoint) *params.Endpoint {
	out := &params.Endpoint{}
	if e.Kind == config.Embeddings && slices.Contains(e.Omit, config.EncodingFormat) {
		out.Always |= params.Encoding
	}
	if e.Kind == config.Transcriptions && slices.Contains(e.Omit, config.ResponseFormat) {
		out.Always |= params.Verbose
	}
	return out
}
