// Package frames holds the activities that describe batches of pictures which callers send
// together. It knows no video, no index and no gateway.
package frames

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Describer writes captions.
type Describer interface {
	activities.Limits
	Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error)
}

// Activities holds what the activities work with. A worker sets only the fields that its pools
// need.
type Activities struct {
	Store     activities.Store
	Broker    activities.Broker
	Ledger    activities.Ledger
	Describer Describer
	Profiles  []video.Profile // how their describe stages call a model is how a batch calls it
}

// ChunkFrames is how many pictures one activity describes.
const ChunkFrames = 64

const (
	temperature = 0.2 // of Cogniverse's client of OpenAI's API; its VLM service had none of its own
	opRead      = "read batch"
)

// PlanInput names a batch and how it is to be described.
type PlanInput struct {
	Tenant tenant.ID         `json:"tenant"`
	Batch  video.Fingerprint `json:"batch"`
	Model  string            `json:"model"`
	Prompt string            `json:"prompt,omitempty"` // empty = the default
}

// Owner is the tenant that the activity works for.
func (in PlanInput) Owner() tenant.ID { return in.Tenant }

// Plan is what a run is pinned to.
type Plan struct {
	Stage   video.Fingerprint `json:"stage"` // under which the describe stage is stored
	Frames  int               `json:"frames"`
	Refused int               `json:"refused,omitempty"` // pictures that were not stored; they are failures
	Chunks  int               `json:"chunks"`
	GPU     []string          `json:"gpu"`
	GPUWait time.Duration     `json:"gpu_wait"`
}

// PlanBatch pins a run to the batch and to how the model is called now.
func (a *Activities) PlanBatch(ctx context.Context, in PlanInput) (Plan, error) {
	prefix := video.BatchPrefix(in.Tenant, in.Batch)
	batch, err := a.batch(ctx, prefix, in.Batch)
	if err != nil {
		return Plan{}, err
	}
	stage, wait := a.stage(in.Model, in.Prompt)
	whole, err := json.Marshal(stage)
	if err != nil {
		return Plan{}, err
	}
	out := Plan{
		Stage: video.NewFingerprint("stage", string(whole)), Frames: len(batch.Frames), Refused: len(batch.Refused),
		Chunks: (len(batch.Frames) + ChunkFrames - 1) / ChunkFrames, GPU: stage.GPU, GPUWait: wait,
	}
	return out, activities.WriteJSON(ctx, a.Store, video.BatchStageKey(prefix, out.Stage), stage)
}

// batch reads a stored batch.
func (a *Activities) batch(ctx context.Context, prefix string, id video.Fingerprint) (video.Batch, error) {
	var b video.Batch
	err := activities.ReadJSON(ctx, a.Store, video.BatchKey(prefix), &b)
	if activities.Absent(err) {
		err = fault.New(fault.Input, opRead, string(id), "the tenant has no such batch, or its frames were removed; send it again")
	}
	return b, err
}

// stage is how a model is called: as the first profile that describes with it says, with the
// settings of a batch.
func (a *Activities) stage(model, prompt string) (video.Stage, time.Duration) {
	p := video.Profile{Describe: video.Stage{Model: model, Unpriced: true}}
	if i := slices.IndexFunc(a.Profiles, func(p video.Profile) bool { return p.Describe.Model == model }); i >= 0 {
		p = a.Profiles[i]
	}
	p = p.Normal()
	s := p.Describe
	s.Of, s.Structured, s.Temperature, s.Prompt = "", false, temperature, strings.TrimSpace(prompt)
	if s.Prompt == video.DescribePrompt {
		s.Prompt = "" // the default
	}
	return s, p.GPUWait
}
