package activities

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// The interfaces below are all that the activities know of the world. The
// adapters in internal/ satisfy them without importing this package; workers
// wires them together.

// Store keeps objects under slash-separated keys, tenant first. A reader sees a
// whole object or none, also after a crash.
type Store interface {
	// Put writes or overwrites an object.
	Put(ctx context.Context, key string, r io.Reader) (object.Info, error)
	// Create writes an object durably, or returns object.ErrExists and writes nothing.
	Create(ctx context.Context, key string, r io.Reader) (object.Info, error)
	// Replace overwrites durably the object whose content still has the given
	// SHA-256, or returns object.ErrChanged (object.ErrNotFound if it is gone). An
	// empty SHA-256 is that of an object of which Stat says object.ErrCorrupt.
	Replace(ctx context.Context, key, sha256 string, r io.Reader) (object.Info, error)
	// Get opens an object. The reader returns object.ErrCorrupt instead of
	// io.EOF when the bytes do not have the stored SHA-256.
	Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error)
	// Stat describes an object without reading it.
	Stat(ctx context.Context, key string) (object.Info, error)
	// List yields the objects under a prefix in the order of their keys until
	// yield returns an error, which it returns.
	List(ctx context.Context, prefix string, yield func(object.Info) error) error
	// Delete removes an object; a missing one is no error.
	Delete(ctx context.Context, key string) error
}

// Sources finds and opens videos where users keep them.
type Sources interface {
	// List yields the URIs of the videos of a directory, prefix or manifest in
	// a stable order. What cannot be a video is passed over and counted.
	List(ctx context.Context, t tenant.ID, source string, recursive bool, yield func(uri string) error) (skipped int, err error)
	// Open returns the local file of a video, fetched if it is remote, and the
	// name for people. Closing the file releases whatever was fetched.
	Open(ctx context.Context, t tenant.ID, uri string) (file *os.File, name string, err error)
	// Keep may keep what Open fetched, for a Reopen that follows soon.
	Keep(t tenant.ID, uri string, id video.ID, file *os.File)
	// Reopen is Open for a video whose content is known. Whether it still has
	// that content is for the caller to see.
	Reopen(ctx context.Context, t tenant.ID, uri string, id video.ID) (file *os.File, name string, err error)
}

// Media looks into untrusted video files.
type Media interface {
	Probe(ctx context.Context, file *os.File) (video.Media, error)
	// Extract decodes the file once and calls emit for each kept frame or
	// segment, in order of time, one call at a time. Thumbnail and sound are
	// left in dir as thumbnail.jpg and audio-000000.flac, audio-000001.flac, …
	// (video.AudioPieceMS of this build each) if there are any. progress is called often with
	// the position reached in milliseconds.
	Extract(ctx context.Context, file *os.File, dir string, s video.Sampling,
		emit func(p video.Picture) error, progress func(ms int64)) (video.Extraction, error)
}

// Limits says how many calls an endpoint takes at once. It is learned, so it
// changes; activities ask before each call and never have more of them open.
type Limits interface {
	Limit(model string) int // at least 1
}

// Describer writes captions.
type Describer interface {
	Limits
	Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error)
}

// Embedder turns texts and pictures into vectors.
type Embedder interface {
	Limits
	// EmbedTexts returns one embedding a text, in their order.
	EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error)
	EmbedPictures(ctx context.Context, r video.PictureRequest) (video.Embedding, error)
}

// Transcriber writes down what is said.
type Transcriber interface {
	Limits
	Transcribe(ctx context.Context, r video.TranscribeRequest) (video.Transcript, error)
}

// Index keeps documents and finds them. Search sees published generations only.
type Index interface {
	// Upsert stores documents by id; they stay invisible until Publish.
	Upsert(ctx context.Context, docs []video.Document) error
	// Fence has the index refuse publications under claims with a lower number. It
	// returns the highest number that the index knows, which may be a higher one.
	// With 0 it writes nothing.
	Fence(ctx context.Context, t tenant.ID, profile string, v video.ID, claim int64) (held int64, err error)
	// Publish makes a generation the visible one of its video and profile in
	// one step and removes the documents of all others. It refuses when the
	// index does not hold exactly g.Documents documents of the generation, or
	// knows of a later claim than g.Claim: then nothing is shown or removed.
	Publish(ctx context.Context, g video.Generation) (removed int, err error)
	// Published lists visible generations ordered by (profile, name, video),
	// from the filter's offset on, at most its limit.
	Published(ctx context.Context, f video.PublishedFilter) ([]video.Generation, error)
	// Discard removes the documents of a generation that is not published.
	Discard(ctx context.Context, t tenant.ID, profile string, v video.ID, g video.Fingerprint) (removed int, err error)
	// DeleteVideo removes a video from a profile (empty = all profiles).
	DeleteVideo(ctx context.Context, t tenant.ID, profile string, v video.ID) (removed int, err error)
	Search(ctx context.Context, q video.Query) ([]video.Hit, error)
}

// Ledger records every paid call: reserved before it is made, settled when it is
// known how it ended. It alone says what was paid.
type Ledger interface {
	// Reserve reserves the cost of a call. It waits, until ctx ends, while
	// reservations in flight leave no room in limitMicroUSD (0 = no limit), and
	// returns a budget fault when what is settled leaves none.
	Reserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error)
	// Settle books how an entry ended, and returns how it is booked now: any
	// process may settle it, as often as it likes; see money.Settle.
	Settle(ctx context.Context, key string, o money.Outcome, microUSD int64) (money.Booking, error)
	// End settles an entry by its row, as builds without keys name it.
	End(ctx context.Context, id int64, answered bool, costMicroUSD int64) error
	// Spent is what a job has settled, or one workflow in it; it is cheap.
	Spent(ctx context.Context, t tenant.ID, job, workflow string) (microUSD int64, err error)
	// Job sums up the calls of a job.
	Job(ctx context.Context, t tenant.ID, job string) (video.Spend, error)
	// Latency is the mean time from begin to end of the last answered calls
	// of a model; 0 when there are none.
	Latency(ctx context.Context, model string) (time.Duration, error)
}

// Runs asks the Temporal server about workflow executions.
type Runs interface {
	// Running reports whether a run is still open. A run that the server no
	// longer knows is not.
	Running(ctx context.Context, workflowID, runID string) (bool, error)
	// Tenant returns whose the current run of a workflow is, by its search
	// attribute; "" if it has none or the server no longer knows it.
	Tenant(ctx context.Context, workflowID string) (tenant.ID, error)
	// Signal sends a signal to the current run of a workflow.
	Signal(ctx context.Context, workflowID, runID, name string, payload any) error
}
