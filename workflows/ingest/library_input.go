package ingest

import (
	"encoding/json"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/placement"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// LibraryInput starts IngestLibrary.
type LibraryInput struct {
	workflows.Common
	Source      string `json:"source"`                // directory, s3:// prefix, or manifest file with one URI per line
	Profile     string `json:"profile,omitempty"`     // recipe; default: the configured active one, else local_preview
	Sampling    string `json:"sampling,omitempty"`    // strategy in place of the profile's: fps, keyframes, scene, segments or shots
	Recursive   bool   `json:"recursive,omitempty"`   // include folders below a directory
	MaxVideos   int    `json:"max_videos,omitempty"`  // stop after this many videos; 0 = all
	Concurrency int    `json:"concurrency,omitempty"` // videos at a time, 1 to 256; default 4
	Force       bool   `json:"force,omitempty"`       // extract and index again; stored captions are still reused
	DryRun      bool   `json:"dry_run,omitempty"`     // count and estimate, write nothing

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *LibraryInput) UnmarshalJSON(data []byte) error {
	type Fields LibraryInput
	all := struct {
		*Fields
		Resume json.RawMessage `json:"resume"`
	}{Fields: (*Fields)(in)}
	in.received = workflows.Receive(data, &all)
	in.received.Resume = all.Resume
	return nil
}

// MaxConcurrency is the maximum number of concurrent videos of one library.
const MaxConcurrency = 256

const defaultConcurrency = 4

func (in *LibraryInput) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if in.Concurrency == 0 {
		in.Concurrency = defaultConcurrency
	}
	switch {
	case in.Concurrency < 1 || in.Concurrency > MaxConcurrency:
		return fault.New(fault.Input, "read input", "concurrency", "must be 1 to 256")
	case in.MaxVideos < 0:
		return fault.New(fault.Input, "read input", "max_videos", "must not be negative")
	}
	if err := checkSampling(in.Sampling); err != nil {
		return err
	}
	if err := workflows.Required("source", in.Source); err != nil {
		return err
	}
	return in.CheckCommon()
}

// LibraryResult is what IngestLibrary returns.
type LibraryResult struct {
	video.Totals
	Failures []video.Failure `json:"failures"`           // the first 50; the others are failed child workflows
	Report   string          `json:"report,omitempty"`   // key of the HTML report in the object store
	Estimate *Estimate       `json:"estimate,omitempty"` // dry run only
	Unusable []outcome.Group `json:"unusable,omitempty"` // answers of the caption model that are not captions, by reason; their frames are refused
	Warnings []string        `json:"warnings,omitempty"` // what to correct, such as a max_tokens that cuts a third of the captions
}

// Estimate is the result of a dry run.
type Estimate struct {
	Bytes      int64   `json:"bytes"`               // size of the files that would be ingested, without the unchanged ones
	DurationMS int64   `json:"duration_ms"`         // playing time of these videos, in milliseconds
	Frames     int     `json:"frames"`              // of these videos; at most: before duplicates are dropped
	Calls      int     `json:"calls"`               // model calls whose answers are not stored yet
	CostUSD    float64 `json:"cost_usd"`            // price of these calls, in USD
	Unpriced   bool    `json:"unpriced,omitempty"`  // true if cost_usd leaves out calls of a model without a price
	Seconds    float64 `json:"seconds"`             // at the rate measured earlier; 0 = unknown
	AtMost     bool    `json:"at_most"`             // true if frames, calls and cost_usd are upper limits
	Unread     int     `json:"unread,omitempty"`    // videos that count as new because their content was not read; each may be unchanged under another name
	Unprobed   int     `json:"unprobed,omitempty"`  // remote videos that only a download could describe; no number includes them
	Reindexed  int     `json:"reindexed,omitempty"` // videos that the index has lost: they are indexed again from stored answers

	Placed *placement.Decision `json:"placed,omitempty"` // which rule of placement decides, and why the others do not
}

// LibraryProgress answers QueryProgress of IngestLibrary.
type LibraryProgress struct {
	Source        string          `json:"source"`                   // as in the input
	Profile       string          `json:"profile"`                  // recipe in use
	Tenant        string          `json:"tenant"`                   // owner
	Stage         string          `json:"stage"`                    // list, ingest, report, done
	Paused        bool            `json:"paused,omitempty"`         // true after pause, until resume
	Concurrency   int             `json:"concurrency"`              // videos at a time
	Videos        int             `json:"videos"`                   // videos found; 0 while listing
	Done          int             `json:"done"`                     // indexed + unchanged + failed
	Indexed       int             `json:"indexed"`                  // published by this run
	Unchanged     int             `json:"unchanged"`                // published earlier
	Failed        int             `json:"failed"`                   // failed
	Frames        int             `json:"frames"`                   // of the videos published so far
	Documents     int             `json:"documents"`                // of the videos published so far
	CostUSD       float64         `json:"cost_usd"`                 // what has been paid so far, in USD
	Started       time.Time       `json:"started"`                  // start of the first run
	Active        []ActiveVideo   `json:"active"`                   // videos in progress; each answers the query progress itself
	Failures      []video.Failure `json:"failures"`                 // the latest
	IgnoredSignal string          `json:"ignored_signal,omitempty"` // the last signal whose payload was invalid, and why
	Unusable      []outcome.Group `json:"unusable,omitempty"`       // answers of the caption model that are not captions, by reason; their frames are refused
	Warnings      []string        `json:"warnings,omitempty"`       // what to correct, such as a max_tokens that cuts a third of the captions
}

// ActiveVideo is a video in progress.
type ActiveVideo struct {
	WorkflowID string `json:"workflow_id"` // workflow id of the child
	URI        string `json:"uri"`         // the video
}
