package ingest

import (
	"encoding/json"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// VideoInput starts IngestVideo.
type VideoInput struct {
	workflows.Common
	URI      string `json:"uri"`                // path, file://, s3:// or https://
	Profile  string `json:"profile,omitempty"`  // recipe; default: the configured active one, else local_preview
	Sampling string `json:"sampling,omitempty"` // strategy in place of the profile's: fps, keyframes, scene, segments or shots
	Force    bool   `json:"force,omitempty"`    // extract and index again; stored captions are still reused

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *VideoInput) UnmarshalJSON(data []byte) error {
	type Fields VideoInput
	all := struct {
		*Fields
		Library json.RawMessage `json:"library"`
		Resume  json.RawMessage `json:"resume"`
	}{Fields: (*Fields)(in)}
	in.received = workflows.Receive(data, &all)
	in.received.Library, in.received.Resume = all.Library, all.Resume
	return nil
}

func (in *VideoInput) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if err := workflows.Required("uri", in.URI); err != nil {
		return err
	}
	if err := checkSampling(in.Sampling); err != nil {
		return err
	}
	return in.CheckCommon()
}

func checkSampling(strategy string) error {
	if strategy != "" && !slices.Contains(video.Strategies(), video.Strategy(strategy)) {
		return fault.New(fault.Input, "read input", "sampling", "must be fps, keyframes, scene, segments or shots")
	}
	return nil
}

// resolve pins a profile with another strategy, if there is one.
func resolve(ctx workflow.Context, c workflows.Caller, in ingest.ResolveInput) (ingest.Recipe, error) {
	var a *ingest.Activities
	recipe, err := workflows.Call(c.Metadata(ctx, "pin the profile"), a.ResolveProfile, in)
	if err == nil && recipe.Sampling != in.Sampling {
		err = workflows.Typed(fault.New(fault.Input, "pin the profile", in.Profile,
			"a worker of an earlier build does not know sampling; upgrade all workers, or set the strategy in the profile"))
	}
	return recipe, err
}

// VideoResult is what IngestVideo returns.
type VideoResult struct {
	Video         string          `json:"video"`              // SHA-256 of the content
	Status        string          `json:"status"`             // "indexed" or "unchanged"
	Name          string          `json:"name"`               // file name
	Sidecar       string          `json:"sidecar,omitempty"`  // name of the file of subtitles beside the video that is its speech
	Generation    string          `json:"generation"`         // fingerprint of the documents
	Frames        int             `json:"frames"`             // frames of the extraction
	Documents     int             `json:"documents"`          // documents in the index
	Passages      int             `json:"passages,omitempty"` // documents that are passages of speech
	Removed       int             `json:"removed"`            // documents of older generations that were removed
	Duplicates    int             `json:"duplicates"`         // sampled frames that were dropped as duplicates
	Blank         int             `json:"blank,omitempty"`    // shots that were left out: plain, blurred and test pictures only
	Capped        bool            `json:"capped"`             // true if max_frames cut the video
	DecodeErrors  int             `json:"decode_errors"`      // errors that the decoder reported and passed over
	Refused       int             `json:"refused,omitempty"`  // frames, pieces of sound and passages of speech that a model refused; they are left out or have no caption
	DescribeCalls int             `json:"describe_calls"`     // describe calls of this run
	RepeatedCalls int             `json:"repeated_calls"`     // billed calls for a frame after its first one; 0 within a library, which counts for all its videos
	CostUSD       float64         `json:"cost_usd"`           // paid in all, in USD
	Report        string          `json:"report,omitempty"`   // key of the HTML report in the object store; empty within a library
	Unusable      []outcome.Group `json:"unusable,omitempty"` // answers of the caption model that are not captions, by reason; their frames are refused
	Warnings      []string        `json:"warnings,omitempty"` // what to correct, such as a max_tokens that cuts a third of the captions
}

// VideoProgress answers QueryProgress of IngestVideo.
type VideoProgress struct {
	URI           string          `json:"uri"`                      // path, file://, s3:// or https://
	Name          string          `json:"name"`                     // file name
	Video         string          `json:"video,omitempty"`          // SHA-256 of the content
	Profile       string          `json:"profile"`                  // default: the configured active one, else local_preview
	Tenant        string          `json:"tenant"`                   // owner
	Stage         string          `json:"stage"`                    // inspect, extract, describe, publish, done
	Paused        bool            `json:"paused,omitempty"`         // true after pause, until resume
	Waiting       string          `json:"waiting,omitempty"`        // what the run waits for, such as "budget"; empty = nothing
	BlockedBy     string          `json:"blocked_by,omitempty"`     // the shared budget that the run waits for, and what to do; empty = none
	Expected      int             `json:"expected"`                 // number of frames, estimated until extraction ends
	Extracted     int             `json:"extracted"`                // frames so far
	Described     int             `json:"described"`                // frames so far
	Embedded      int             `json:"embedded"`                 // frames so far
	Indexed       int             `json:"indexed"`                  // frames so far
	Passages      int             `json:"passages,omitempty"`       // passages of speech that are indexed
	CostUSD       float64         `json:"cost_usd"`                 // what has been paid so far, in USD
	Started       time.Time       `json:"started"`                  // start of the first run
	IgnoredSignal string          `json:"ignored_signal,omitempty"` // the last signal whose payload was invalid, and why
	Unusable      []outcome.Group `json:"unusable,omitempty"`       // answers of the caption model that are not captions, by reason; their frames are refused
	Warnings      []string        `json:"warnings,omitempty"`       // what to correct, such as a max_tokens that cuts a third of the captions
}
