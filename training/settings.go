package training

import "encoding/json"

// Settings are the training settings of an input, with Cogniverse's keys where Cogniverse
// has them. A missing key takes its default. Unknown keys and values out of range are rejected.
type Settings struct {
	Epochs          *float64 `json:"epochs,omitempty"`                      // passes over the training rows (default 3)
	BatchSize       *int     `json:"batch_size,omitempty"`                  // rows per device and step (default 4; embedding 16); KTO needs at least 2
	Accumulation    *int     `json:"gradient_accumulation_steps,omitempty"` // batches per optimizer step (default 4; embedding 1)
	LearningRate    *float64 `json:"learning_rate,omitempty"`               // default 2e-4 for SFT and late_interaction, 5e-5 for DPO and KTO, 2e-5 for other embedding models
	Scheduler       *string  `json:"lr_scheduler,omitempty"`                // linear (default), cosine or constant
	WarmupSteps     *int     `json:"warmup_steps,omitempty"`                // default 100
	WeightDecay     *float64 `json:"weight_decay,omitempty"`                // default 0; embedding 0.01
	MaxGradNorm     *float64 `json:"max_grad_norm,omitempty"`               // default 1; 0 = gradients are not clipped
	MaxSeqLength    *int     `json:"max_seq_length,omitempty"`              // tokens per row (default 512); longer rows are cut, and counted
	EvalSteps       *int     `json:"eval_steps,omitempty"`                  // steps between evaluations (default 500)
	EvaluationSteps *int     `json:"evaluation_steps,omitempty"`            // another name of eval_steps, from Cogniverse's embedding configuration
	SaveSteps       *int     `json:"save_steps,omitempty"`                  // steps between additional checkpoints; 0 = by time only (default)
	Patience        *int     `json:"early_stopping_patience,omitempty"`     // evaluations without improvement before training stops (default 3); 0 = never
	Packing         *bool    `json:"packing,omitempty"`                     // SFT: several short rows per sequence
	AssistantOnly   *bool    `json:"assistant_only_loss,omitempty"`         // SFT: the loss counts the assistant's tokens only
	MergeWeights    *bool    `json:"merge,omitempty"`                       // publish the merged model as well as the adapter

	Beta            *float64 `json:"beta,omitempty"`              // DPO, KTO: strength of the reference model (default 0.1)
	MaxPromptLength *int     `json:"max_prompt_length,omitempty"` // DPO: tokens of a prompt (default 256, at most half of max_seq_length)
	Loss            *string  `json:"loss,omitempty"`              // embedding: triplet (default), mnr, or late_interaction for ColIdefics3, ColQwen2 and ColPali; KTO: kto (default) or apo_zero_unpaired
	DistanceMetric  *string  `json:"distance_metric,omitempty"`   // embedding, triplet loss: cosine (default), euclidean or manhattan
	TripletMargin   *float64 `json:"triplet_margin,omitempty"`    // embedding, triplet loss: default 0.5

	DesirableWeight   *float64 `json:"desirable_weight,omitempty"`   // KTO: weight of the rows that are rated good (default 1)
	UndesirableWeight *float64 `json:"undesirable_weight,omitempty"` // KTO: weight of the rows that are rated bad (default 1)

	ChatTemplate map[string]any `json:"chat_template_kwargs,omitempty"` // SFT, DPO, KTO: variables of the model's chat template, such as {"enable_thinking": false}

	LoadIn4Bit *bool `json:"load_in_4bit,omitempty"` // SFT, DPO and KTO with LoRA: the base model is held in 4 bits (QLoRA: NF4 with double quantization) and its weights need a third of the memory (default false)

	UseLoRA       *bool    `json:"use_lora,omitempty"`       // default true; false trains all weights
	LoRAR         *int     `json:"lora_r,omitempty"`         // rank (default 8)
	LoRAAlpha     *int     `json:"lora_alpha,omitempty"`     // scale (default 16)
	LoRADropout   *float64 `json:"lora_dropout,omitempty"`   // default 0.1
	TargetModules []string `json:"target_modules,omitempty"` // modules that get an adapter (default q_proj, k_proj, v_proj, o_proj, embedding q_proj, v_proj, late_interaction all of the language model and the projection; all-linear if the base model lacks one)

	// FP16 true asks for 16 bits, which GPUs get anyway, in the format that
	// they do best; false for fp32. Numerics names the format.
	FP16              *bool    `json:"fp16,omitempty"`               // false = fp32, true = the 16-bit format of the GPU classes; numerics takes precedence
	Numerics          *string  `json:"numerics,omitempty"`           // fp32, fp16 or bf16 (default what every listed GPU class supports)
	ValidationSplit   *float64 `json:"validation_split,omitempty"`   // share of the rows that is held out, 0 to 0.9, when eval_dataset is not set
	AllowDropped      *float64 `json:"allow_dropped,omitempty"`      // rows with errors, or cut before their answer, to tolerate: a number, or a share below 1 (default none)
	MinRows           *int     `json:"min_rows,omitempty"`           // minimum number of rows (default 50 for SFT, 20 for DPO, 40 for KTO, 100 for embedding models)
	CheckpointSeconds *float64 `json:"checkpoint_seconds,omitempty"` // seconds between checkpoints (default cogflow.training.checkpoint_seconds)

	// Settings of Cogniverse that have no effect here.
	OutputDir        json.RawMessage `json:"output_dir,omitempty"`         // accepted and ignored
	SaveTotalLimit   json.RawMessage `json:"save_total_limit,omitempty"`   // accepted and ignored
	LoggingSteps     json.RawMessage `json:"logging_steps,omitempty"`      // accepted and ignored
	DatasetTextField json.RawMessage `json:"dataset_text_field,omitempty"` // accepted and ignored
	Format           json.RawMessage `json:"format,omitempty"`             // accepted and ignored
}

// LoRASettings are the shape of an adapter in an input. A missing key takes its default.
type LoRASettings struct {
	R             *int     `json:"r,omitempty"`              // rank (default 8)
	Alpha         *int     `json:"alpha,omitempty"`          // scale (default 16)
	Dropout       *float64 `json:"dropout,omitempty"`        // default 0.1
	TargetModules []string `json:"target_modules,omitempty"` // modules that get an adapter (default q_proj, k_proj, v_proj, o_proj, embedding q_proj, v_proj, late_interaction all of the language model and the projection; all-linear if the base model lacks one)
}

// UnmarshalJSON decodes strictly and lists every problem.
func (s *Settings) UnmarshalJSON(data []byte) error {
	return decodeSettings("settings", data, s.fields())
}

// UnmarshalJSON decodes strictly and lists every problem.
func (l *LoRASettings) UnmarshalJSON(data []byte) error {
	return decodeSettings("lora", data, l.fields())
}

// Extras are the settings that are not part of the trainer's Config.
type Extras struct {
	Numerics          Numerics `json:"numerics,omitempty"`           // requested; "" = by the GPU classes, see PinNumerics
	ValidationSplit   *float64 `json:"validation_split,omitempty"`   // share of the rows to hold out; nil = not set, see ValidationShare
	AllowDropped      float64  `json:"allow_dropped,omitempty"`      // invalid rows to tolerate: a number, or below 1 a share
	DefaultModules    bool     `json:"default_modules,omitempty"`    // target_modules were not set: all-linear if the base model lacks one of the default
	MinRows           int      `json:"min_rows"`                     // fewer rows are refused
	CheckpointSeconds float64  `json:"checkpoint_seconds,omitempty"` // 0 = as the worker is configured
	Ignored           []string `json:"ignored,omitempty"`            // keys of Cogniverse that have no effect, sorted
}

// ValidationShare is validation_split as dataset checks take it: 0 = their default,
// negative = no rows are held out.
func (e Extras) ValidationShare() float64 {
	switch {
	case e.ValidationSplit == nil:
		return 0
	case *e.ValidationSplit == 0:
		return -1
	}
	return *e.ValidationSplit
}
