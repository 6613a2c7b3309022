// Package refusing stands for model endpoints that a worker cannot call, such as those whose key
// is missing: each call returns the reason.
package refusing

import (
	"context"

	"github.com/cogniverse/cogflow/video"
)

// Endpoint is an endpoint that cannot be called.
type Endpoint struct{ Why error }

// Limit is the least, because nothing is called.
func (Endpoint) Limit(string) int { return 1 }

// Describe returns the reason.
func (r Endpoint) Describe(context.Context, video.DescribeRequest) (video.Caption, error) {
	return video.Caption{}, r.Why
}

// EmbedTexts returns the reason.
func (r Endpoint) EmbedTexts(context.Context, video.TextRequest) ([]video.Embedding, error) {
	return nil, r.Why
}

// EmbedPictures returns the reason.
func (r Endpoint) EmbedPictures(context.Context, video.PictureRequest) (video.Embedding, error) {
	return video.Embedding{}, r.Why
}

// Transcribe returns the reason.
func (r Endpoint) Transcribe(context.Context, video.TranscribeRequest) (video.Transcript, error) {
	return video.Transcript{}, r.Why
}
