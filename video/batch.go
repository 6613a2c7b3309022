package video

import (
	"fmt"

	"github.com/cogniverse/cogflow/tenant"
)

// Batch is a list of pictures that a caller sent together to have them described. It is stored
// under its id, after its pictures.
type Batch struct {
	Frames []BatchFrame `json:"frames"` // in the order of their keys
	// Refused are the pictures that were not stored: key → why.
	Refused map[string]string `json:"refused,omitempty"`
}

// BatchFrame is one picture of a batch.
type BatchFrame struct {
	Key    string `json:"key"` // the caller's name of its description
	SHA256 string `json:"sha256"`
}

// ID is the identity of a batch: equal pictures with equal keys are the same batch, however they
// were packed.
func (b Batch) ID() Fingerprint { return NewFingerprint("batch", canonical(b)) }

// BatchAnswers are the descriptions of a batch, or of a part of it.
type BatchAnswers struct {
	Descriptions map[string]string `json:"descriptions"`
	Failures     map[string]string `json:"failures,omitempty"` // key → why it has no description
}

// BatchPrefix is the folder of a batch: everything that is stored of it, except the captions, which
// other batches and videos share.
func BatchPrefix(t tenant.ID, batch Fingerprint) string {
	return string(t) + "/batches/" + string(batch) + "/"
}

// BatchKey holds the Batch, written after its pictures.
func BatchKey(prefix string) string { return prefix + "manifest.json" }

// BatchPictureKey holds one picture, a JPEG.
func BatchPictureKey(prefix, sha256 string) string { return prefix + sha256 + ".jpg" }

// BatchStageKey holds the Stage that a run was pinned to.
func BatchStageKey(prefix string, stage Fingerprint) string {
	return prefix + "stage-" + string(stage) + ".json"
}

// BatchChunkKey holds the BatchAnswers of a part of a batch.
func BatchChunkKey(prefix string, stage Fingerprint, chunk int) string {
	return fmt.Sprintf("%schunk-%s-%06d.json", prefix, stage, chunk)
}

// BatchAnswersKey holds the BatchAnswers of a whole batch.
func BatchAnswersKey(prefix string, stage Fingerprint) string {
	return prefix + "descriptions-" + string(stage) + ".json"
}
