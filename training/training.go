// Package training holds the nouns and the pure logic of fine-tuning: datasets,
// settings, estimates, the documents that the trainer process speaks, and the
// registry of adapters. It knows no store, process, GPU or workflow.
package training

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/cogniverse/cogflow/fault"
)

// Method is how a model is trained.
type Method string

// The methods.
const (
	SFT       Method = "sft"       // supervised fine-tuning on answers
	DPO       Method = "dpo"       // direct preference optimization on pairs
	Embedding Method = "embedding" // contrastive training of a text encoder
)

// Numerics is the class of number formats of a run. It is pinned at the start,
// because a run that changed it on another GPU would be another run.
type Numerics string

// The classes. fp16 is for GPUs without bfloat16 (T4).
const (
	FP32 Numerics = "fp32"
	FP16 Numerics = "fp16"
	BF16 Numerics = "bf16"
)

// Config is the whole of a method's settings, with every default filled in.
// Its keys are Cogniverse's where Cogniverse has one.
type Config struct {
	Epochs        float64 `json:"epochs"`
	BatchSize     int     `json:"batch_size"`                  // rows a micro-batch, before any halving
	Accumulation  int     `json:"gradient_accumulation_steps"` // micro-batches an optimizer step
	LearningRate  float64 `json:"learning_rate"`
	Scheduler     string  `json:"lr_scheduler"` // "linear", "cosine" or "constant"
	WarmupSteps   int     `json:"warmup_steps"` // at most a tenth of all steps are taken
	WeightDecay   float64 `json:"weight_decay"`
	MaxGradNorm   float64 `json:"max_grad_norm"`
	MaxSeqLength  int     `json:"max_seq_length"`          // tokens
	EvalSteps     int     `json:"eval_steps"`              // at least once an epoch whatever it says
	SaveSteps     int     `json:"save_steps"`              // checkpoint also after so many steps; 0 = by time alone
	Patience      int     `json:"early_stopping_patience"` // evaluations without progress; 0 = never stop early
	Packing       bool    `json:"packing"`                 // several rows in one sequence, kept apart by attention
	AssistantOnly bool    `json:"assistant_only_loss"`     // of conversations: only what the assistant says counts
	MergeWeights  bool    `json:"merge"`                   // also write the base with the adapter merged in

	Beta            float64 `json:"beta,omitempty"`              // DPO
	MaxPromptLength int     `json:"max_prompt_length,omitempty"` // DPO, tokens
	Loss            string  `json:"loss,omitempty"`              // embedding: "triplet" or "mnr" (multiple negatives ranking)
	DistanceMetric  string  `json:"distance_metric,omitempty"`   // embedding: "cosine", "euclidean" or "manhattan"
	TripletMargin   float64 `json:"triplet_margin,omitempty"`    // embedding
}

// LoRA is the shape of an adapter.
type LoRA struct {
	R             int      `json:"r"`
	Alpha         int      `json:"alpha"`
	Dropout       float64  `json:"dropout"`
	TargetModules []string `json:"target_modules"` // names of linear layers; ["all-linear"] = every one
}

// Spec is everything that decides the result of a run. Equal specs are one job.
type Spec struct {
	Method     Method   `json:"method"`
	Model      string   `json:"model"`    // name, as inputs say it
	Revision   string   `json:"revision"` // of the base model: a commit, or the hash of its files
	Dataset    string   `json:"dataset"`  // SHA-256 of the rows that are trained on
	Evaluation string   `json:"eval_dataset,omitempty"`
	Seed       int64    `json:"seed"`
	Numerics   Numerics `json:"numerics"`
	Config     Config   `json:"config"`
	LoRA       *LoRA    `json:"lora,omitempty"` // nil = all weights are trained
}

// JobID names the job: 24 hexadecimal digits of the hash of its spec.
func (s Spec) JobID() (string, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return "", fault.Wrap(fault.Input, "name training job", s.Model, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12]), nil
}

// File is a dataset of canonical rows, one JSON object a line; see Row.
type File struct {
	Path   string `json:"path,omitempty"` // where this worker has it; empty outside the trainer's job
	SHA256 string `json:"sha256"`
	Rows   int    `json:"rows"`
}

// Model is a base model on this worker's disk.
type Model struct {
	Name     string `json:"name"`           // what inputs call it, "HuggingFaceTB/SmolLM-135M"
	Repo     string `json:"repo,omitempty"` // Hugging Face repository; empty = Name
	Revision string `json:"revision"`       // commit, or the hash of the files
	Path     string `json:"path"`           // directory with config.json, tokenizer and safetensors
}
