package training

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// AllLinear as a target module stands for every linear layer except the output.
const AllLinear = "all-linear"

// LateInteraction is the loss of models that have a vector for each token and each patch of
// an image.
const LateInteraction = "late_interaction"

// Projection is the layer after the language model of a late-interaction model, whatever its
// architecture calls it.
const Projection = "custom_text_proj"

// Resolve fills in the defaults of a method, which are Cogniverse's, and
// refuses settings that contradict each other. LoRA is nil when all weights
// are to be trained; Shape.Adapt or, with Extras.DefaultModules, AdaptDefault fits
// its target modules to the model.
func Resolve(method Method, s Settings, l LoRASettings) (Config, *LoRA, Extras, error) {
	var p settingProblems
	c, ok := defaultConfig(method)
	if !ok {
		return Config{}, nil, Extras{}, fault.New(fault.Input, "read settings", string(method), "unknown method; supported: "+MethodNames())
	}
	p.foreign(method, s)
	if method == Embedding && s.Loss != nil && *s.Loss == LateInteraction {
		c.LearningRate = 2e-4 // colpali-engine's for ColQwen2
	}
	setTo(&c.Epochs, s.Epochs)
	setTo(&c.BatchSize, s.BatchSize)
	setTo(&c.Accumulation, s.Accumulation)
	setTo(&c.LearningRate, s.LearningRate)
	setTo(&c.Scheduler, s.Scheduler)
	setTo(&c.WarmupSteps, s.WarmupSteps)
	setTo(&c.WeightDecay, s.WeightDecay)
	setTo(&c.MaxGradNorm, s.MaxGradNorm)
	setTo(&c.MaxSeqLength, s.MaxSeqLength)
	setTo(&c.EvalSteps, p.same("eval_steps", s.EvalSteps, "evaluation_steps", s.EvaluationSteps))
	setTo(&c.SaveSteps, s.SaveSteps)
	setTo(&c.Patience, s.Patience)
	setTo(&c.Packing, s.Packing)
	setTo(&c.AssistantOnly, s.AssistantOnly)
	setTo(&c.MergeWeights, s.MergeWeights)
	setTo(&c.Beta, s.Beta)
	p.promptLength(&c, s)
	setTo(&c.Loss, s.Loss)
	p.loss(method, c)
	p.distance(&c, s)
	setTo(&c.DesirableWeight, s.DesirableWeight)
	setTo(&c.UndesirableWeight, s.UndesirableWeight)
	c.ChatTemplate = s.ChatTemplate
	lora := p.lora(s, l)
	if setTo(&c.LoadIn4Bit, s.LoadIn4Bit); lora == nil && c.LoadIn4Bit {
		p.add("load_in_4bit: weights in 4 bits cannot be trained themselves, only an adapter beside them; set use_lora to true")
	}
	if lora != nil && lora.TargetModules == nil {
		lora.TargetModules = targetModules(method, c.Loss)
	}
	if lora == nil && c.MergeWeights {
		p.add("merge: without LoRA there is no adapter to merge; what is published is the whole model already")
	}
	extras := p.extras(method, s)
	extras.DefaultModules = lora != nil && l.TargetModules == nil && s.TargetModules == nil
	return c, lora, extras, p.fault(method)
}

func defaultConfig(method Method) (Config, bool) {
	c := Config{
		Epochs: 3, BatchSize: 4, Accumulation: 4, Scheduler: "linear", WarmupSteps: 100,
		MaxGradNorm: 1, MaxSeqLength: 512, EvalSteps: 500, Patience: 3,
	}
	switch method {
	case SFT:
		c.LearningRate = 2e-4
	case DPO:
		c.LearningRate, c.Beta, c.MaxPromptLength = 5e-5, 0.1, 256
	case KTO: // TRL's, except for the learning rate: like that of DPO, it is one for adapters
		c.LearningRate, c.Beta, c.Loss, c.DesirableWeight, c.UndesirableWeight = 5e-5, 0.1, LossKTO, 1, 1
	case Embedding:
		c.BatchSize, c.Accumulation, c.LearningRate, c.WeightDecay = 16, 1, 2e-5, 0.01
		c.Loss, c.DistanceMetric, c.TripletMargin = LossTriplet, "cosine", 0.5
	default:
		return Config{}, false
	}
	return c, true
}

func setTo[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// settingProblems collects problems, so that all are reported at once.
type settingProblems []string

func (p *settingProblems) add(format string, args ...any) {
	*p = append(*p, fmt.Sprintf(format, args...))
}

func (p *settingProblems) fault(method Method) error {
	if len(*p) == 0 {
		return nil
	}
	return fault.New(fault.Input, "read settings", string(method)+"_config", strings.Join(*p, "; "))
}

// foreign refuses settings of another method: they would have no effect.
func (p *settingProblems) foreign(method Method, s Settings) {
	for _, f := range []struct {
		key  string
		said bool
		of   []Method
	}{
		{"packing", s.Packing != nil, []Method{SFT}},
		{"assistant_only_loss", s.AssistantOnly != nil, []Method{SFT}},
		{"beta", s.Beta != nil, []Method{DPO, KTO}},
		{"max_prompt_length", s.MaxPromptLength != nil, []Method{DPO}},
		{"loss", s.Loss != nil, []Method{KTO, Embedding}},
		{"distance_metric", s.DistanceMetric != nil, []Method{Embedding}},
		{"triplet_margin", s.TripletMargin != nil, []Method{Embedding}},
		{"desirable_weight", s.DesirableWeight != nil, []Method{KTO}},
		{"undesirable_weight", s.UndesirableWeight != nil, []Method{KTO}},
		{"chat_template_kwargs", s.ChatTemplate != nil, []Method{SFT, DPO, KTO}},
	} {
		if f.said && !slices.Contains(f.of, method) {
			p.add("%q is a setting of %s", f.key, listOf(f.of))
		}
	}
	if s.LoadIn4Bit != nil && *s.LoadIn4Bit && method == Embedding {
		p.add(`"load_in_4bit" is a setting of sft, dpo and kto; embedding models are small enough for 16 bits`)
	}
}

// listOf joins methods for a sentence.
func listOf(methods []Method) string {
	names := make([]string, len(methods))
	for i, m := range methods {
		names[i] = string(m)
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return names[0]
}

// Loss functions.
const (
	LossTriplet = "triplet"
	LossMNR     = "mnr"
	LossKTO     = "kto"
	LossAPO     = "apo_zero_unpaired" // pulls good answers up and bad ones down, without an estimate of the KL divergence
)

// loss refuses the loss of another method, and a batch in which kto has no other answer for
// a prompt.
func (p *settingProblems) loss(method Method, c Config) {
	switch {
	case method == KTO && c.Loss != LossKTO && c.Loss != LossAPO:
		p.add("loss %s is not one of kto; must be %s or %s", c.Loss, LossKTO, LossAPO)
	case method == Embedding && c.Loss != LossTriplet && c.Loss != LossMNR && c.Loss != LateInteraction:
		p.add("loss %s is not one of embedding; must be %s, %s or %s", c.Loss, LossTriplet, LossMNR, LateInteraction)
	case c.Loss == LossKTO && c.BatchSize < 2:
		p.add("batch_size is 1, and kto gives each prompt the answer of another row of its batch; must be 2 or more")
	}
}

// same returns the value that is set under either of two names.
func (p *settingProblems) same(name string, a *int, other string, b *int) *int {
	if a == nil {
		return b
	}
	if b != nil && *a != *b {
		p.add("%s is %d and %s is %d, and both mean the same", name, *a, other, *b)
	}
	return a
}

func (p *settingProblems) promptLength(c *Config, s Settings) {
	if c.MaxPromptLength == 0 {
		return
	}
	if s.MaxPromptLength == nil { // the default is half of Cogniverse's default length
		c.MaxPromptLength = min(c.MaxPromptLength, c.MaxSeqLength/2)
		return
	}
	if c.MaxPromptLength = *s.MaxPromptLength; c.MaxPromptLength >= c.MaxSeqLength {
		p.add("max_prompt_length %d leaves no room for an answer in max_seq_length %d", c.MaxPromptLength, c.MaxSeqLength)
	}
}

func (p *settingProblems) distance(c *Config, s Settings) {
	setTo(&c.DistanceMetric, s.DistanceMetric)
	setTo(&c.TripletMargin, s.TripletMargin)
	switch {
	case c.Loss == "":
	case c.Loss != LossTriplet && (s.DistanceMetric != nil || s.TripletMargin != nil):
		p.add("distance_metric and triplet_margin belong to the triplet loss, and loss is %s", c.Loss)
	case c.Loss != LossTriplet:
		c.DistanceMetric, c.TripletMargin = "", 0
	case c.DistanceMetric == "cosine" && c.TripletMargin >= 2:
		p.add("triplet_margin %v can never be reached: cosine distances lie between 0 and 2; must be > 0 and < 2", c.TripletMargin)
	}
}

// lora merges the two places that may describe the adapter.
func (p *settingProblems) lora(s Settings, l LoRASettings) *LoRA {
	if s.UseLoRA != nil && !*s.UseLoRA {
		if l.R != nil || l.Alpha != nil || l.Dropout != nil || l.TargetModules != nil {
			p.add("use_lora is false, and lora describes an adapter")
		}
		return nil // Cogniverse's files have the lora_… keys even then
	}
	lora := &LoRA{R: 8, Alpha: 16, Dropout: 0.1}
	setTo(&lora.R, p.same("lora.r", l.R, "lora_r", s.LoRAR))
	setTo(&lora.Alpha, p.same("lora.alpha", l.Alpha, "lora_alpha", s.LoRAAlpha))
	if l.Dropout != nil && s.LoRADropout != nil && *l.Dropout != *s.LoRADropout {
		p.add("lora.dropout is %v and lora_dropout is %v, and both mean the same", *l.Dropout, *s.LoRADropout)
	}
	setTo(&lora.Dropout, s.LoRADropout)
	setTo(&lora.Dropout, l.Dropout)
	switch a, b := l.TargetModules, s.TargetModules; {
	case a != nil && b != nil && !slices.Equal(a, b):
		p.add("lora.target_modules and target_modules differ, and both mean the same")
	case a != nil:
		lora.TargetModules = slices.Clone(a)
	case b != nil:
		lora.TargetModules = slices.Clone(b)
	}
	return lora
}

// targetModules are the default modules of an adapter.
func targetModules(method Method, loss string) []string {
	switch {
	case loss == LateInteraction: // colpali-engine's
		return []string{Projection, "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"}
	case method == Embedding:
		return []string{"q_proj", "v_proj"}
	}
	return []string{"k_proj", "o_proj", "q_proj", "v_proj"}
}

func (p *settingProblems) extras(method Method, s Settings) Extras {
	e := Extras{MinRows: map[Method]int{SFT: 50, DPO: 20, KTO: 40, Embedding: 100}[method], ValidationSplit: s.ValidationSplit}
	setTo(&e.MinRows, s.MinRows)
	setTo(&e.CheckpointSeconds, s.CheckpointSeconds)
	setTo(&e.AllowDropped, s.AllowDropped)
	if e.AllowDropped > 1 && e.AllowDropped != float64(int64(e.AllowDropped)) {
		p.add("allow_dropped is %v; must be a number of rows, or a share below 1", e.AllowDropped)
	}
	if s.FP16 != nil && !*s.FP16 {
		e.Numerics = FP32
	}
	if s.Numerics != nil {
		e.Numerics = Numerics(*s.Numerics)
		if s.FP16 != nil && *s.FP16 != (e.Numerics != FP32) {
			p.add("fp16 is %v and numerics is %s, which contradict each other", *s.FP16, e.Numerics)
		}
	}
	for _, f := range []struct {
		key  string
		said bool
	}{
		{"dataset_text_field", s.DatasetTextField != nil},
		{"format", s.Format != nil},
		{"logging_steps", s.LoggingSteps != nil},
		{"output_dir", s.OutputDir != nil},
		{"save_total_limit", s.SaveTotalLimit != nil},
	} {
		if f.said {
			e.Ignored = append(e.Ignored, f.key)
		}
	}
	return e
}
