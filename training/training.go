// Package training holds the types and rules of fine-tuning: settings, the trainer's
// protocol, comparison, model card, roles and canaries. Datasets, rows and estimates
// have packages below. It knows no store, process, GPU or workflow.
package training

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// Method is how a model is trained.
type Method string

// The methods.
const (
	SFT       Method = "sft"       // supervised fine-tuning on answers
	DPO       Method = "dpo"       // direct preference optimization on pairs
	KTO       Method = "kto"       // Kahneman-Tversky optimization on rated answers
	Embedding Method = "embedding" // contrastive training of a text encoder
)

// Methods returns all methods.
func Methods() []Method { return []Method{SFT, DPO, KTO, Embedding} }

// MethodNames lists the methods for a sentence: "sft, dpo, kto or embedding".
func MethodNames() string { return "sft, dpo, kto or embedding" }

// Numerics is the number format of a run. It is pinned at the start, because changing it on
// another GPU would change the result.
type Numerics string

// The classes. fp16 is for GPUs without bfloat16 (T4).
const (
	FP32 Numerics = "fp32"
	FP16 Numerics = "fp16"
	BF16 Numerics = "bf16"
)

// Config is all settings of a training method, defaults included, with Cogniverse's keys
// where Cogniverse has them.
type Config struct {
	Epochs        float64 `json:"epochs"`                      // passes over the training rows
	BatchSize     int     `json:"batch_size"`                  // rows per micro-batch, before any halving
	Accumulation  int     `json:"gradient_accumulation_steps"` // micro-batches per optimizer step
	LearningRate  float64 `json:"learning_rate"`               // peak learning rate
	Scheduler     string  `json:"lr_scheduler"`                // "linear", "cosine" or "constant"
	WarmupSteps   int     `json:"warmup_steps"`                // at most a tenth of all steps are used
	WeightDecay   float64 `json:"weight_decay"`                // of the optimizer
	MaxGradNorm   float64 `json:"max_grad_norm"`               // 0 = gradients are not clipped
	MaxSeqLength  int     `json:"max_seq_length"`              // tokens
	EvalSteps     int     `json:"eval_steps"`                  // steps between evaluations; at least one per epoch
	SaveSteps     int     `json:"save_steps"`                  // steps between additional checkpoints; 0 = by time only
	Patience      int     `json:"early_stopping_patience"`     // evaluations without improvement before training stops; 0 = never
	Packing       bool    `json:"packing"`                     // several rows per sequence, separated by attention
	AssistantOnly bool    `json:"assistant_only_loss"`         // conversations: the loss counts the assistant's tokens only
	MergeWeights  bool    `json:"merge"`                       // also write the base with the adapter merged in

	Beta            float64 `json:"beta,omitempty"`              // DPO, KTO: strength of the reference model
	MaxPromptLength int     `json:"max_prompt_length,omitempty"` // DPO: tokens of a prompt
	Loss            string  `json:"loss,omitempty"`              // embedding: "triplet", "mnr" (multiple negatives ranking) or "late_interaction"; KTO: "kto" or "apo_zero_unpaired"
	DistanceMetric  string  `json:"distance_metric,omitempty"`   // embedding: "cosine", "euclidean" or "manhattan"
	TripletMargin   float64 `json:"triplet_margin,omitempty"`    // embedding, triplet loss

	DesirableWeight   float64 `json:"desirable_weight,omitempty"`   // KTO: weight of the rows that are rated good
	UndesirableWeight float64 `json:"undesirable_weight,omitempty"` // KTO: weight of the rows that are rated bad

	ChatTemplate map[string]any `json:"chat_template_kwargs,omitempty"` // SFT, DPO, KTO: variables of the chat template

	LoadIn4Bit bool `json:"load_in_4bit,omitempty"` // SFT, DPO, KTO: the base model is held in 4 bits (QLoRA)
}

// Quantization says how the base model is held in training, for people; "" = in the numerics of
// the run.
func (c Config) Quantization() string {
	if c.LoadIn4Bit {
		return "4 bits (NF4, double quantization)"
	}
	return ""
}

// LoRA is the shape of an adapter.
type LoRA struct {
	R             int      `json:"r"`              // rank
	Alpha         int      `json:"alpha"`          // scale
	Dropout       float64  `json:"dropout"`        // dropout
	TargetModules []string `json:"target_modules"` // names of linear layers; ["all-linear"] = all
}

// Modules is what has an adapter, for people; empty = nothing has.
func (l *LoRA) Modules() string {
	switch {
	case l == nil:
		return ""
	case slices.Equal(l.TargetModules, []string{AllLinear}):
		return "every linear layer"
	}
	return strings.Join(l.TargetModules, ", ")
}

// Spec is everything that determines the result of a run. Equal specs are one job.
type Spec struct {
	Method     Method   `json:"method"`                 // sft, dpo, kto or embedding
	Model      string   `json:"model"`                  // name of the base model, as inputs write it
	Revision   string   `json:"revision"`               // of the base model: a commit, or the hash of its files
	Dataset    string   `json:"dataset"`                // SHA-256 of the rows that are trained on
	Evaluation string   `json:"eval_dataset,omitempty"` // SHA-256 of the held-out rows
	Seed       int64    `json:"seed"`                   // seed of every random choice
	Numerics   Numerics `json:"numerics"`               // fp32, fp16 or bf16
	Config     Config   `json:"config"`                 // all settings, defaults included
	LoRA       *LoRA    `json:"lora,omitempty"`         // shape of the adapter; null = all weights are trained
	Start      *Start   `json:"continues,omitempty"`    // adapter that training continues; null = a fresh one
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

// File is a dataset of canonical rows, one JSON object per line.
type File struct {
	Path   string `json:"path,omitempty"` // where this worker has it; empty outside the trainer's job
	SHA256 string `json:"sha256"`         // of the content
	Rows   int    `json:"rows"`           // number of rows
}

// Model is a base model on this worker's disk.
type Model struct {
	Name     string `json:"name"`           // name in inputs, such as "HuggingFaceTB/SmolLM-135M"
	Repo     string `json:"repo,omitempty"` // repository on Hugging Face; empty = the name
	Revision string `json:"revision"`       // commit, or the hash of the files
	Path     string `json:"path"`           // directory with config.json, tokenizer and safetensors
}
