package frames

import (
	"context"
	"maps"
	"slices"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// FinishInput names a batch whose parts are all described.
type FinishInput struct {
	Tenant tenant.ID         `json:"tenant"`
	Batch  video.Fingerprint `json:"batch"`
	Stage  video.Fingerprint `json:"stage"`
	Chunks int               `json:"chunks"`
	Job    string            `json:"job"`
}

// Owner is the tenant that the activity works for.
func (in FinishInput) Owner() tenant.ID { return in.Tenant }

// Finished is what became of a batch.
type Finished struct {
	Descriptions string      `json:"descriptions"` // key of the BatchAnswers
	Described    int         `json:"described"`
	Failures     []Failure   `json:"failures,omitempty"` // the first ones by key
	Failed       int         `json:"failed,omitempty"`   // all of them
	Spend        video.Spend `json:"spend"`
}

// Failure is a picture without a description.
type Failure struct {
	Key    string `json:"key"`    // the caller's name of its description
	Reason string `json:"reason"` // why it has none
}

// maxFailures is how many failures a result names; the object with the descriptions has all.
const maxFailures = 20

// FinishBatch puts the descriptions of all parts of a batch together. A batch without a single
// description fails with the first reason.
func (a *Activities) FinishBatch(ctx context.Context, in FinishInput) (Finished, error) {
	prefix := video.BatchPrefix(in.Tenant, in.Batch)
	batch, err := a.batch(ctx, prefix, in.Batch)
	if err != nil {
		return Finished{}, err
	}
	all := video.BatchAnswers{Descriptions: map[string]string{}, Failures: maps.Clone(batch.Refused)}
	if all.Failures == nil {
		all.Failures = map[string]string{}
	}
	for i := range in.Chunks {
		var part video.BatchAnswers
		if err := activities.ReadJSON(ctx, a.Store, video.BatchChunkKey(prefix, in.Stage, i), &part); err != nil {
			return Finished{}, err
		}
		maps.Copy(all.Descriptions, part.Descriptions)
		maps.Copy(all.Failures, part.Failures)
	}
	out := Finished{Descriptions: video.BatchAnswersKey(prefix, in.Stage), Described: len(all.Descriptions), Failed: len(all.Failures)}
	for _, key := range slices.Sorted(maps.Keys(all.Failures)) {
		if len(out.Failures) < maxFailures {
			out.Failures = append(out.Failures, Failure{Key: key, Reason: all.Failures[key]})
		}
	}
	if out.Described == 0 {
		reason := "it has no frames"
		if len(out.Failures) > 0 {
			reason = "none of its frames has a description; the first, " + out.Failures[0].Key + ": " + out.Failures[0].Reason
		}
		return out, fault.New(fault.Input, "describe batch", string(in.Batch), reason)
	}
	if out.Spend, err = activities.FinalSpend(ctx, a.Ledger, in.Tenant, in.Job); err != nil {
		return out, err
	}
	return out, activities.WriteJSON(ctx, a.Store, out.Descriptions, all)
}
