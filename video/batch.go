package video

import (
	"fmt"
	"strings"
	"time"

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

// BatchHold says how long the frames of a batch are kept. It is changed only if it is still what was
// read, so a gateway that receives a batch and one that removes it exclude each other.
type BatchHold struct {
	Until    time.Time `json:"until"`              // the frames are kept until then, and while a job describes them
	Removing bool      `json:"removing,omitempty"` // they are being removed; after Until, another gateway may take over
	By       string    `json:"by"`                 // random, so that no two writes are equal
}

// BatchPrefix is the folder of a batch of frames: everything that is stored of it, except the captions,
// which other batches and videos share.
func BatchPrefix(t tenant.ID, batch Fingerprint) string {
	return BatchesPrefix(t) + string(batch) + "/"
}

// BatchesPrefix is the folder of all batches of a tenant.
func BatchesPrefix(t tenant.ID) string { return string(t) + "/batches/" }

// BatchHoldKey holds until when the frames of a batch are kept; it is written before anything else of it.
func BatchHoldKey(prefix string) string { return prefix + "hold.json" }

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

// BatchAnswersKey holds the BatchAnswers of a whole batch. It is the result of a job, so it stays when
// the frames are removed.
func BatchAnswersKey(prefix string, stage Fingerprint) string {
	return prefix + batchAnswers + string(stage) + ".json"
}

const batchAnswers = "descriptions-"

// IsBatchAnswers reports whether an object of the folder of a batch holds a result; name is its key
// without the folder.
func IsBatchAnswers(name string) bool { return strings.HasPrefix(name, batchAnswers) }
