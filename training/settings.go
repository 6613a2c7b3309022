package training

import "encoding/json"

// Settings is what an input's sft_config, dpo_config or embedding_config may
// say: Cogniverse's keys and ours. nil = not said, so that 0 can be told from
// nothing. Decoding refuses unknown keys and values out of range; see
// settings_decode.go for the ranges.
type Settings struct {
	Epochs          *float64 `json:"epochs,omitempty"`
	BatchSize       *int     `json:"batch_size,omitempty"`
	Accumulation    *int     `json:"gradient_accumulation_steps,omitempty"`
	LearningRate    *float64 `json:"learning_rate,omitempty"`
	Scheduler       *string  `json:"lr_scheduler,omitempty"`
	WarmupSteps     *int     `json:"warmup_steps,omitempty"`
	WeightDecay     *float64 `json:"weight_decay,omitempty"`
	MaxGradNorm     *float64 `json:"max_grad_norm,omitempty"` // 0 = gradients are not clipped
	MaxSeqLength    *int     `json:"max_seq_length,omitempty"`
	EvalSteps       *int     `json:"eval_steps,omitempty"`
	EvaluationSteps *int     `json:"evaluation_steps,omitempty"` // the same, as Cogniverse's embedding configuration calls it
	SaveSteps       *int     `json:"save_steps,omitempty"`
	Patience        *int     `json:"early_stopping_patience,omitempty"`
	Packing         *bool    `json:"packing,omitempty"`             // SFT
	AssistantOnly   *bool    `json:"assistant_only_loss,omitempty"` // SFT
	MergeWeights    *bool    `json:"merge,omitempty"`

	Beta            *float64 `json:"beta,omitempty"`              // DPO
	MaxPromptLength *int     `json:"max_prompt_length,omitempty"` // DPO
	Loss            *string  `json:"loss,omitempty"`              // embedding
	DistanceMetric  *string  `json:"distance_metric,omitempty"`   // embedding
	TripletMargin   *float64 `json:"triplet_margin,omitempty"`    // embedding

	UseLoRA       *bool    `json:"use_lora,omitempty"`
	LoRAR         *int     `json:"lora_r,omitempty"`
	LoRAAlpha     *int     `json:"lora_alpha,omitempty"`
	LoRADropout   *float64 `json:"lora_dropout,omitempty"`
	TargetModules []string `json:"target_modules,omitempty"`

	// FP16 true asks for 16 bits, which GPUs get anyway, in the format that
	// they do best; false for fp32. Numerics names the format.
	FP16              *bool    `json:"fp16,omitempty"`
	Numerics          *string  `json:"numerics,omitempty"`
	ValidationSplit   *float64 `json:"validation_split,omitempty"`
	AllowDropped      *float64 `json:"allow_dropped,omitempty"`
	MinRows           *int     `json:"min_rows,omitempty"`
	CheckpointSeconds *float64 `json:"checkpoint_seconds,omitempty"`

	// What Cogniverse has and what means nothing here.
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

// UnmarshalJSON decodes strictly and lists every problem.
func (s *Settings) UnmarshalJSON(data []byte) error {
	return decodeSettings("settings", data, s.fields())
}

// UnmarshalJSON decodes strictly and lists every problem.
func (l *LoRASettings) UnmarshalJSON(data []byte) error {
	return decodeSettings("lora", data, l.fields())
}

// Extras is what settings say that is no part of the trainer's Config.
type Extras struct {
	Numerics          Numerics `json:"numerics,omitempty"`           // asked for; "" = by the GPU classes, see PinNumerics
	ValidationSplit   *float64 `json:"validation_split,omitempty"`   // share of the rows to hold out; nil = not said, see ValidationShare
	AllowDropped      float64  `json:"allow_dropped,omitempty"`      // bad rows that may be left out: a number, or below 1 a share
	MinRows           int      `json:"min_rows"`                     // fewer are refused
	CheckpointSeconds float64  `json:"checkpoint_seconds,omitempty"` // 0 = as the worker is configured
	Ignored           []string `json:"ignored,omitempty"`            // keys of Cogniverse that mean nothing here, sorted
}

// ValidationShare is validation_split as dataset checks want it: 0 = their
// default, negative = nothing is held out.
func (e Extras) ValidationShare() float64 {
	switch {
	case e.ValidationSplit == nil:
		return 0
	case *e.ValidationSplit == 0:
		return -1
	}
	return *e.ValidationSplit
}
