package training

import (
	"fmt"
	"regexp"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
)

// The keys below are the layout of the object store for training.

// DatasetKey holds canonical rows, one JSON object a line.
func DatasetKey(t tenant.ID, sha256 string) string {
	return string(t) + "/datasets/" + sha256 + ".jsonl"
}

// UploadKey holds a dataset as it was uploaded, in any format.
func UploadKey(t tenant.ID, sha256 string) string {
	return string(t) + "/datasets/" + sha256 + ".upload"
}

// ImageKey holds an image of rows.
func ImageKey(t tenant.ID, sha256 string) string { return string(t) + "/datasets/images/" + sha256 }

// JobPrefix is the folder of one training job.
func JobPrefix(t tenant.ID, job string) string { return string(t) + "/training/" + job + "/" }

// ClaimKey holds the claim of the workflow that runs a job.
func ClaimKey(t tenant.ID, job string) string { return JobPrefix(t, job) + "claim.json" }

// ClockKey holds the time that the chat templates of a job read.
func ClockKey(t tenant.ID, job string) string { return JobPrefix(t, job) + "clock.json" }

// CheckpointsPrefix is the folder of a job's checkpoints.
func CheckpointsPrefix(t tenant.ID, job string) string { return JobPrefix(t, job) + "checkpoints/" }

// CheckpointPrefix is the folder of the checkpoint of one step. Steps sort as text.
func CheckpointPrefix(t tenant.ID, job string, step int) string {
	return fmt.Sprintf("%s%08d/", CheckpointsPrefix(t, job), step)
}

// OutputPrefix is the folder of the result of a job, from which adapters are published.
func OutputPrefix(t tenant.ID, job string) string { return JobPrefix(t, job) + "output/" }

// TensorBoardPrefix is the folder of a job's scalars as TensorBoard reads them, up to its newest
// checkpoint. An adapter has a copy in a folder of the same name.
func TensorBoardPrefix(t tenant.ID, job string) string { return JobPrefix(t, job) + TensorBoardFolder }

// TensorBoardFolder is the name of that folder.
const TensorBoardFolder = "tensorboard/"

// LogsPrefix is where the logs of a job's trainer processes lie.
func LogsPrefix(t tenant.ID, job string) string { return JobPrefix(t, job) + "logs/" }

// LogKey holds what the trainer printed in one attempt at a job, one line each with its
// time: the beginning and the end of it if it is long. Keys sort by time.
func LogKey(t tenant.ID, job string, began time.Time, attempt string) string {
	return LogsPrefix(t, job) + began.UTC().Format("20060102T150405.000Z") + "-" + attempt + ".log"
}

// LogTime is how the time of a line is written that a log keeps, in UTC.
const LogTime = "2006-01-02T15:04:05.000Z"

// ManifestName is the last object written under a prefix.
const ManifestName = "manifest.json"

// SpeedKey holds the measured speed of a kind of training on one GPU class.
func SpeedKey(t tenant.ID, s Spec, class string) (string, error) {
	of := Spec{
		Method: s.Method, Model: s.Model, Revision: s.Revision, Numerics: s.Numerics, LoRA: s.LoRA,
		Config: Config{MaxSeqLength: s.Config.MaxSeqLength, Packing: s.Config.Packing, BatchSize: s.Config.BatchSize, LoadIn4Bit: s.Config.LoadIn4Bit},
	}
	if s.Method == KTO { // one of its losses has more passes
		of.Config.Loss = s.Config.Loss
	}
	job, err := of.JobID()
	return string(t) + "/training/speeds/" + job + "-" + class + ".json", err
}

// LengthsKey holds what the tokenizer counted in a dataset. Only what determines tokens, and what
// the trainer refuses while it counts, is in the key: runs with other learning rates share it.
func LengthsKey(t tenant.ID, s Spec) (string, error) {
	of := Spec{
		Method: s.Method, Model: s.Model, Revision: s.Revision, Dataset: s.Dataset, Evaluation: s.Evaluation,
		Config: Config{
			MaxSeqLength: s.Config.MaxSeqLength, MaxPromptLength: s.Config.MaxPromptLength, AssistantOnly: s.Config.AssistantOnly,
			ChatTemplate: s.Config.ChatTemplate, Loss: s.Config.Loss,
			LoadIn4Bit: s.Config.LoadIn4Bit, Packing: s.Config.Packing, // which the trainer refuses where it cannot
		},
	}
	if s.LoRA != nil {
		of.LoRA = &LoRA{TargetModules: s.LoRA.TargetModules}
	}
	if s.Config.Loss == "mnr" || s.Config.Loss == LateInteraction { // which rows have no batch is random
		of.Seed, of.Config.BatchSize, of.Config.Accumulation = s.Seed, s.Config.BatchSize, s.Config.Accumulation
	}
	job, err := of.JobID()
	return string(t) + "/datasets/" + job + ".lengths.json", err
}

// AdaptersPrefix is the folder of a tenant's published adapters.
func AdaptersPrefix(t tenant.ID) string { return string(t) + "/adapters/" }

// AdapterPrefix is the folder of one version of an adapter.
func AdapterPrefix(t tenant.ID, name string, version int) string {
	return fmt.Sprintf("%s%s/%d/", AdaptersPrefix(t), name, version)
}

// RoleKey holds which adapter serves a role.
func RoleKey(t tenant.ID, role string) string { return AdaptersPrefix(t) + "_roles/" + role + ".json" }

// namePattern allows names that are safe in paths; a leading underscore is reserved.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// CheckName checks the name of an adapter or a role.
func CheckName(field, name string) error {
	if !namePattern.MatchString(name) {
		return fault.New(fault.Input, "read "+field, name,
			"must be 1 to 100 letters, digits, '.', '_' and '-', beginning with a letter or digit")
	}
	return nil
}
