package workflows

import (
	"encoding/json"
	"time"

	"go.temporal.io/sdk/workflow"
)

// IngestVideoInput starts IngestVideo.
type IngestVideoInput struct {
	Common
	URI     string `json:"uri"`               // path, file://, s3:// or https://
	Profile string `json:"profile,omitempty"` // default: the configured active one, else local_preview
	Force   bool   `json:"force,omitempty"`   // extract and index again; stored captions are reused

	received received
}

// UnmarshalJSON decodes strictly; see receive.
func (in *IngestVideoInput) UnmarshalJSON(data []byte) error {
	type Fields IngestVideoInput
	all := struct {
		*Fields
		Library json.RawMessage `json:"library"`
		Resume  json.RawMessage `json:"resume"`
	}{Fields: (*Fields)(in)}
	in.received = receive(data, &all)
	in.received.library, in.received.resume = all.Library, all.Resume
	return nil
}

func (in *IngestVideoInput) check(ctx workflow.Context) error {
	if err := in.received.problem(ctx); err != nil {
		return err
	}
	if err := required("uri", in.URI); err != nil {
		return err
	}
	return in.Common.check()
}

// IngestVideoResult is what IngestVideo returns.
type IngestVideoResult struct {
	Video         string  `json:"video"`  // SHA-256 of the content
	Status        string  `json:"status"` // "indexed" or "unchanged"
	Name          string  `json:"name"`
	Generation    string  `json:"generation"`
	Frames        int     `json:"frames"`
	Documents     int     `json:"documents"`
	Removed       int     `json:"removed"` // stale documents of older generations
	Duplicates    int     `json:"duplicates"`
	Capped        bool    `json:"capped"` // max_frames cut the video
	DecodeErrors  int     `json:"decode_errors"`
	Refused       int     `json:"refused,omitempty"` // frames that a model refused; they are left out, or have no caption
	DescribeCalls int     `json:"describe_calls"`
	RepeatedCalls int     `json:"repeated_calls"` // 0 within a library, which counts for all its videos
	CostUSD       float64 `json:"cost_usd"`
	Report        string  `json:"report,omitempty"` // when started by itself
}

// VideoProgress answers QueryProgress of IngestVideo.
type VideoProgress struct {
	URI           string    `json:"uri"` // path, file://, s3:// or https://
	Name          string    `json:"name"`
	Video         string    `json:"video,omitempty"`
	Profile       string    `json:"profile"` // default: the configured active one, else local_preview
	Tenant        string    `json:"tenant"`
	Stage         string    `json:"stage"` // inspect, extract, describe, publish, done
	Paused        bool      `json:"paused,omitempty"`
	Waiting       string    `json:"waiting,omitempty"` // why nothing moves: "budget", …
	Expected      int       `json:"expected"`          // frames to come, estimated until extraction ends
	Extracted     int       `json:"extracted"`
	Described     int       `json:"described"`
	Embedded      int       `json:"embedded"`
	Indexed       int       `json:"indexed"`
	CostUSD       float64   `json:"cost_usd"`
	Started       time.Time `json:"started"`
	IgnoredSignal string    `json:"ignored_signal,omitempty"` // the last signal whose payload was invalid, and why
}
