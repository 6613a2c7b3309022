package frames

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/frames"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// Input starts DescribeFrames.
type Input struct {
	workflows.Common
	Batch  string `json:"batch"`            // id of a batch of frames that the gateway has stored; POST /upload_and_process_frames stores one
	Model  string `json:"model"`            // model that describes them, as cogflow.endpoints names it
	Prompt string `json:"prompt,omitempty"` // what the model is asked about each frame; default: Cogniverse's prompt

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *Input) UnmarshalJSON(data []byte) error {
	type plain Input
	in.received = workflows.Receive(data, (*plain)(in))
	return nil
}

func (in *Input) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if err := workflows.Required("batch", in.Batch); err != nil {
		return err
	}
	if !job.IsDigest(in.Batch, job.Digest) {
		return fault.New(fault.Input, "read input", "batch", "must be the id of a batch, 64 hexadecimal digits")
	}
	if err := workflows.Required("model", in.Model); err != nil {
		return err
	}
	return in.CheckCommon()
}

// CheckStart implements workflows.Startable. It checks a copy, so defaults are not filled in.
func (in Input) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}

// Result is what DescribeFrames returns.
type Result struct {
	Batch        string           `json:"batch"`              // id of the batch
	Descriptions string           `json:"descriptions"`       // key of the JSON object with all descriptions and failures
	Frames       int              `json:"frames"`             // frames of the batch
	Described    int              `json:"described"`          // frames with a description
	Failed       int              `json:"failed"`             // frames without one
	Failures     []frames.Failure `json:"failures,omitempty"` // at most 20 of them
	Calls        int              `json:"calls"`              // calls of the model by this run; the other descriptions were stored
	CostUSD      float64          `json:"cost_usd"`           // paid in all, in USD
}

// Progress answers QueryProgress of DescribeFrames.
type Progress struct {
	Batch         string    `json:"batch"`                    // id of the batch
	Model         string    `json:"model"`                    // model that describes
	Tenant        string    `json:"tenant"`                   // owner
	Stage         string    `json:"stage"`                    // plan, describe, publish, done
	Paused        bool      `json:"paused,omitempty"`         // true after pause, until resume
	Waiting       string    `json:"waiting,omitempty"`        // what the run waits for, such as "budget"; empty = nothing
	BlockedBy     string    `json:"blocked_by,omitempty"`     // the shared budget that the run waits for, and what to do; empty = none
	Frames        int       `json:"frames"`                   // frames of the batch
	Described     int       `json:"described"`                // frames so far
	Failed        int       `json:"failed"`                   // frames that failed so far
	CostUSD       float64   `json:"cost_usd"`                 // what has been paid so far, in USD
	Started       time.Time `json:"started"`                  // start of the run
	IgnoredSignal string    `json:"ignored_signal,omitempty"` // the last signal whose payload was invalid, and why
}
