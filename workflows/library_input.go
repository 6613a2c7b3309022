package workflows

import (
	"encoding/json"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// IngestLibraryInput starts IngestLibrary.
type IngestLibraryInput struct {
	Common
	Source      string `json:"source"`                // directory, s3:// prefix, or a manifest file with one URI a line
	Profile     string `json:"profile,omitempty"`     // default: the configured active one, else local_preview
	Recursive   bool   `json:"recursive,omitempty"`   // directories: descend
	MaxVideos   int    `json:"max_videos,omitempty"`  // 0 = all
	Concurrency int    `json:"concurrency,omitempty"` // videos at a time, default 4
	Force       bool   `json:"force,omitempty"`       // extract and index again; stored captions are still reused
	DryRun      bool   `json:"dry_run,omitempty"`     // count and estimate, write nothing

	received received
}

// UnmarshalJSON decodes strictly; see receive.
func (in *IngestLibraryInput) UnmarshalJSON(data []byte) error {
	type Fields IngestLibraryInput
	all := struct {
		*Fields
		Resume json.RawMessage `json:"resume"`
	}{Fields: (*Fields)(in)}
	in.received = receive(data, &all)
	in.received.resume = all.Resume
	return nil
}

const (
	defaultConcurrency = 4
	maxConcurrency     = 256
)

func (in *IngestLibraryInput) check(ctx workflow.Context) error {
	if err := in.received.problem(ctx); err != nil {
		return err
	}
	if in.Concurrency == 0 {
		in.Concurrency = defaultConcurrency
	}
	switch {
	case in.Concurrency < 1 || in.Concurrency > maxConcurrency:
		return fault.New(fault.Input, "read input", "concurrency", "want 1 to 256")
	case in.MaxVideos < 0:
		return fault.New(fault.Input, "read input", "max_videos", "must not be negative")
	}
	if err := required("source", in.Source); err != nil {
		return err
	}
	return in.Common.check()
}

// IngestLibraryResult is what IngestLibrary returns.
type IngestLibraryResult struct {
	video.Totals
	Failures []video.Failure `json:"failures"` // the first 50; the others are failed child workflows
	Report   string          `json:"report,omitempty"`
	Estimate *Estimate       `json:"estimate,omitempty"` // dry run only
}

// Estimate is the answer of a dry run.
type Estimate struct {
	Bytes      int64   `json:"bytes"`
	DurationMS int64   `json:"duration_ms"`
	Frames     int     `json:"frames"` // at most: before near-duplicates are dropped
	CostUSD    float64 `json:"cost_usd"`
	Seconds    float64 `json:"seconds"` // at the rate measured before, else 0 = unknown
}

// LibraryProgress answers QueryProgress of IngestLibrary.
type LibraryProgress struct {
	Source        string          `json:"source"`
	Profile       string          `json:"profile"`
	Tenant        string          `json:"tenant"`
	Stage         string          `json:"stage"` // list, ingest, report, done
	Paused        bool            `json:"paused,omitempty"`
	Concurrency   int             `json:"concurrency"`
	Videos        int             `json:"videos"` // found; 0 while listing
	Done          int             `json:"done"`   // indexed + unchanged + failed
	Indexed       int             `json:"indexed"`
	Unchanged     int             `json:"unchanged"`
	Failed        int             `json:"failed"`
	Frames        int             `json:"frames"`
	Documents     int             `json:"documents"`
	CostUSD       float64         `json:"cost_usd"`
	Started       time.Time       `json:"started"`
	Active        []ActiveVideo   `json:"active"` // being ingested now; each answers QueryProgress itself
	Failures      []video.Failure `json:"failures"`
	IgnoredSignal string          `json:"ignored_signal,omitempty"` // the last signal whose payload was invalid, and why
}

// ActiveVideo is one child at work.
type ActiveVideo struct {
	WorkflowID string `json:"workflow_id"`
	URI        string `json:"uri"`
}
