package training

import "encoding/json"

// Settings is what an input's sft_config, dpo_config or embedding_config may
// say: Cogniverse's keys and ours. nil = not said, so that 0 can be told from
// nothing. Decoding refuses unknown keys and values out of range.
type Settings struct {
	Epochs        *float64 `json:"epochs,omitempty"`
	BatchSize     *int     `json:"batch_size,omitempty"`
	Accumulation  *int     `json:"gradient_accumulation_steps,omitempty"`
	LearningRate  *float64 `json:"learning_rate,omitempty"`
	Scheduler     *string  `json:"lr_scheduler,omitempty"`
	WarmupSteps   *int     `json:"warmup_steps,omitempty"`
	WeightDecay   *float64 `json:"weight_decay,omitempty"`
	MaxGradNorm   *float64 `json:"max_grad_norm,omitempty"`
	MaxSeqLength  *int     `json:"max_seq_length,omitempty"`
	EvalSteps     *int     `json:"eval_steps,omitempty"`
	EvalSteps2    *int     `json:"evaluation_steps,omitempty"` // Cogniverse's name for the same, in embedding_config
	SaveSteps     *int     `json:"save_steps,omitempty"`
	Patience      *int     `json:"early_stopping_patience,omitempty"`
	Packing       *bool    `json:"packing,omitempty"`
	AssistantOnly *bool    `json:"assistant_only_loss,omitempty"`
	MergeWeights  *bool    `json:"merge,omitempty"`

	Beta            *float64 `json:"beta,omitempty"`
	MaxPromptLength *int     `json:"max_prompt_length,omitempty"`
	Loss            *string  `json:"loss,omitempty"`
	DistanceMetric  *string  `json:"distance_metric,omitempty"`
	TripletMargin   *float64 `json:"triplet_margin,omitempty"`

	UseLoRA       *bool    `json:"use_lora,omitempty"`
	LoRAR         *int     `json:"lora_r,omitempty"`
	LoRAAlpha     *int     `json:"lora_alpha,omitempty"`
	LoRADropout   *float64 `json:"lora_dropout,omitempty"`
	TargetModules []string `json:"target_modules,omitempty"`

	FP16              *bool    `json:"fp16,omitempty"`     // true = 16 bits, which GPUs get anyway; false = fp32
	Numerics          *string  `json:"numerics,omitempty"` // fp32, fp16 or bf16; default by the GPU classes
	ValidationSplit   *float64 `json:"validation_split,omitempty"`
	AllowDropped      *float64 `json:"allow_dropped,omitempty"`
	MinRows           *int     `json:"min_rows,omitempty"`
	CheckpointSeconds *float64 `json:"checkpoint_seconds,omitempty"`

	// What Cogniverse has and has no meaning here.
	OutputDir        json.RawMessage `json:"output_dir,omitempty"`
	SaveTotalLimit   json.RawMessage `json:"save_total_limit,omitempty"`
	LoggingSteps     json.RawMessage `json:"logging_steps,omitempty"`
	DatasetTextField json.RawMessage `json:"dataset_text_field,omitempty"`
	Format           json.RawMessage `json:"format,omitempty"`
}

// LoRASettings is what an input's lora may say. nil = not said.
type LoRASettings struct {
	R             *int     `json:"r,omitempty"`
	Alpha         *int     `json:"alpha,omitempty"`
	Dropout       *float64 `json:"dropout,omitempty"`
	TargetModules []string `json:"target_modules,omitempty"`
}

// Extras is what settings say that is no part of the trainer's Config.
type Extras struct {
	Numerics          Numerics `json:"numerics,omitempty"`           // asked for; "" = by the GPU classes, see PinNumerics
	ValidationSplit   *float64 `json:"validation_split,omitempty"`   // share of the rows to hold out; nil = see HoldOut
	AllowDropped      float64  `json:"allow_dropped,omitempty"`      // bad rows that may be left out: a number, or below 1 a share
	MinRows           int      `json:"min_rows"`                     // fewer are refused
	CheckpointSeconds float64  `json:"checkpoint_seconds,omitempty"` // 0 = as the worker is configured
	DefaultTargets    bool     `json:"default_targets,omitempty"`    // target_modules were not said: see Shape.Adapt
	Ignored           []string `json:"ignored,omitempty"`            // keys of Cogniverse that have no meaning here, sorted
}

// Resolve fills in the defaults of a method, which are Cogniverse's.
func Resolve(method Method, s Settings, l LoRASettings) (Config, *LoRA, Extras, error) {
	panic("skeleton")
}

// HoldOut returns how many of rows to hold out for evaluation when no dataset
// for it is given: what validation_split says, else a tenth of more than 100.
func (e Extras) HoldOut(rows int) int { panic("skeleton") }

// MayDrop returns how many bad ones of rows may be left out.
func (e Extras) MayDrop(rows int) int { panic("skeleton") }
