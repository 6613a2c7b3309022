package ingest

import (
	"context"
	"os"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Sources finds and opens videos where users keep them.
type Sources interface {
	// List yields the URIs of the videos of a directory, prefix or manifest in a stable
	// order. Files that cannot be videos are skipped and counted.
	List(ctx context.Context, t tenant.ID, source string, recursive bool, yield func(uri string) error) (skipped int, err error)
	// Version says what is at the URI of a video without reading it, and the name for people.
	Version(ctx context.Context, t tenant.ID, uri string) (v video.FileVersion, name string, err error)
	// Peek returns a local file with as much of a video as a probe needs; whole = all of
	// it. v is what Version said.
	Peek(ctx context.Context, t tenant.ID, uri string, v video.FileVersion) (file *os.File, whole bool, err error)
	// Open returns the local file of a video, fetched if it is remote, and the name for
	// people. Closing the file releases what was fetched.
	Open(ctx context.Context, t tenant.ID, uri string) (file *os.File, name string, err error)
	// Beside returns the name of a video in its folder, and the files there whose names begin with it, without its
	// extension. Where the folder cannot be listed there are none.
	Beside(ctx context.Context, t tenant.ID, uri string) (name string, files []video.Neighbour, err error)
	// Keep may keep what Open fetched, for a Reopen that follows soon.
	Keep(t tenant.ID, uri string, id video.ID, file *os.File)
	// Reopen is Open for a video whose content is known. The caller checks that it still
	// has that content.
	Reopen(ctx context.Context, t tenant.ID, uri string, id video.ID) (file *os.File, name string, err error)
}

// Media reads untrusted video files.
type Media interface {
	Probe(ctx context.Context, file *os.File) (video.Media, error)
	// Extract decodes the file once and calls emit for each kept frame or
	// segment, in order of time, one call at a time. Thumbnail and sound are
	// left in dir as thumbnail.jpg and audio-000000.flac, audio-000001.flac, …
	// (one every video.AudioPieceMS, each video.AudioOverlapMS longer) if there are any, and
	// subtitles of what is said as subtitles.json, a video.Transcript. A file without pictures
	// has no frames. progress is called often with
	// the position reached in milliseconds.
	Extract(ctx context.Context, file *os.File, dir string, s video.Sampling,
		emit func(p video.Picture) error, progress func(ms int64)) (video.Extraction, error)
}

// Describer writes captions.
type Describer interface {
	activities.Limits
	Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error)
}

// Embedder turns texts and pictures into vectors.
type Embedder interface {
	activities.Limits
	// EmbedTexts returns one embedding a text, in their order.
	EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error)
	EmbedPictures(ctx context.Context, r video.PictureRequest) (video.Embedding, error)
}

// Transcriber writes transcripts.
type Transcriber interface {
	activities.Limits
	Transcribe(ctx context.Context, r video.TranscribeRequest) (video.Transcript, error)
}

// Index stores and searches documents. Search sees published generations only.
type Index interface {
	// Upsert stores documents by id; they stay invisible until Publish.
	Upsert(ctx context.Context, docs []video.Document) error
	// Fence makes the index refuse publications under claims with a lower number. It
	// returns the highest number that the index knows, which may be higher. With 0 it
	// writes nothing.
	Fence(ctx context.Context, t tenant.ID, profile string, v video.ID, claim int64) (held int64, err error)
	// Publish makes a generation the visible one of its video and profile in one step and
	// removes the documents of all others. It refuses when the index does not hold exactly
	// g.Documents documents of the generation, or knows a later claim than g.Claim: then
	// nothing is shown or removed.
	Publish(ctx context.Context, g video.Generation) (removed int, err error)
	// Published lists visible generations ordered by (profile, name, video),
	// from the filter's offset on, at most its limit.
	Published(ctx context.Context, f video.PublishedFilter) ([]video.Generation, error)
	// Discard removes the documents of a generation that is not published.
	Discard(ctx context.Context, t tenant.ID, profile string, v video.ID, g video.Fingerprint) (removed int, err error)
	// DeleteVideo removes a video from a profile (empty = all profiles).
	DeleteVideo(ctx context.Context, t tenant.ID, profile string, v video.ID) (removed int, err error)
	Search(ctx context.Context, q video.Query) ([]video.Hit, error)
	// Vector is the embedding of a document, as the index stores it. An unknown id is an
	// input fault.
	Vector(ctx context.Context, t tenant.ID, profile, document string) (video.Embedding, error)
}
