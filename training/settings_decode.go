package training

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// settingField reads the value of one key. Its error says which values are valid.
type settingField struct {
	key  string
	read func(text json.RawMessage) error
}

// fields is the table of keys and ranges. The upper ends are far above any useful value:
// they catch typing errors.
func (s *Settings) fields() []settingField {
	return []settingField{
		{"epochs", realSetting(&s.Epochs, positive, 1000)},
		{"batch_size", wholeSetting(&s.BatchSize, 1, 4096)},
		{"gradient_accumulation_steps", wholeSetting(&s.Accumulation, 1, 65536)},
		{"learning_rate", realSetting(&s.LearningRate, positive, 1)},
		{"lr_scheduler", wordSetting(&s.Scheduler, "linear", "cosine", "constant")},
		{"warmup_steps", wholeSetting(&s.WarmupSteps, 0, 1_000_000)},
		{"weight_decay", realSetting(&s.WeightDecay, notNegative, 1)},
		{"max_grad_norm", realSetting(&s.MaxGradNorm, notNegative, 1e6)},
		{"max_seq_length", wholeSetting(&s.MaxSeqLength, 8, 1<<20)},
		{"eval_steps", wholeSetting(&s.EvalSteps, 1, 10_000_000)},
		{"evaluation_steps", wholeSetting(&s.EvaluationSteps, 1, 10_000_000)},
		{"save_steps", wholeSetting(&s.SaveSteps, 0, 10_000_000)},
		{"early_stopping_patience", wholeSetting(&s.Patience, 0, 10_000)},
		{"packing", switchSetting(&s.Packing)},
		{"assistant_only_loss", switchSetting(&s.AssistantOnly)},
		{"merge", switchSetting(&s.MergeWeights)},
		{"beta", realSetting(&s.Beta, positive, 100)},
		{"max_prompt_length", wholeSetting(&s.MaxPromptLength, 1, 1<<20)},
		{"loss", wordSetting(&s.Loss, LossTriplet, LossMNR, LateInteraction, LossKTO, LossAPO)},
		{"distance_metric", wordSetting(&s.DistanceMetric, "cosine", "euclidean", "manhattan")},
		{"triplet_margin", realSetting(&s.TripletMargin, positive, 1e6)},
		{"desirable_weight", realSetting(&s.DesirableWeight, positive, 1e6)},
		{"undesirable_weight", realSetting(&s.UndesirableWeight, positive, 1e6)},
		{"chat_template_kwargs", templateSetting(&s.ChatTemplate)},
		{"load_in_4bit", switchSetting(&s.LoadIn4Bit)},
		{"use_lora", switchSetting(&s.UseLoRA)},
		{"lora_r", wholeSetting(&s.LoRAR, 1, 4096)},
		{"lora_alpha", wholeSetting(&s.LoRAAlpha, 1, 65536)},
		{"lora_dropout", realSetting(&s.LoRADropout, notNegative, 0.99)},
		{"target_modules", modulesSetting(&s.TargetModules)},
		{"fp16", switchSetting(&s.FP16)},
		{"numerics", wordSetting(&s.Numerics, string(FP32), string(FP16), string(BF16))},
		{"validation_split", realSetting(&s.ValidationSplit, notNegative, 0.9)},
		{"allow_dropped", realSetting(&s.AllowDropped, notNegative, 1e9)},
		{"min_rows", wholeSetting(&s.MinRows, 1, 1_000_000_000)},
		{"checkpoint_seconds", realSetting(&s.CheckpointSeconds, positive, 86400)},
		{"output_dir", ignoredSetting(&s.OutputDir)},
		{"save_total_limit", ignoredSetting(&s.SaveTotalLimit)},
		{"logging_steps", ignoredSetting(&s.LoggingSteps)},
		{"dataset_text_field", ignoredSetting(&s.DatasetTextField)},
		{"format", ignoredSetting(&s.Format)},
	}
}

func (l *LoRASettings) fields() []settingField {
	return []settingField{
		{"r", wholeSetting(&l.R, 1, 4096)},
		{"alpha", wholeSetting(&l.Alpha, 1, 65536)},
		{"dropout", realSetting(&l.Dropout, notNegative, 0.99)},
		{"target_modules", modulesSetting(&l.TargetModules)},
	}
}

// decodeSettings reads a JSON object with exactly these fields.
func decodeSettings(what string, data []byte, fields []settingField) error {
	op := "read " + what
	d := json.NewDecoder(bytes.NewReader(data))
	start, err := d.Token()
	if err == nil && start == nil {
		return nil // null: no settings
	}
	if err != nil || start != json.Delim('{') {
		return fault.New(fault.Input, op, "", "must be a JSON object")
	}
	var problems []string
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return fault.Wrap(fault.Input, op, "", err)
		}
		name := key.(string) // keys of an object are strings
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			return fault.Wrap(fault.Input, op, name, err)
		}
		if err := readSetting(name, text, fields, seen); err != nil {
			problems = append(problems, fmt.Sprintf("%.64q %s", name, err))
		}
	}
	if _, err := d.Token(); err != nil && err != io.EOF {
		return fault.Wrap(fault.Input, op, "", err)
	}
	if len(problems) > 0 {
		return fault.New(fault.Input, op, "", strings.Join(problems, "; "))
	}
	return nil
}

func readSetting(name string, text json.RawMessage, fields []settingField, seen map[string]bool) error {
	i := slices.IndexFunc(fields, func(f settingField) bool { return f.key == name })
	switch {
	case i < 0:
		return fmt.Errorf("is not a setting; %s", nearestSetting(name, fields))
	case seen[name]:
		return fmt.Errorf("is listed twice")
	}
	seen[name] = true
	if string(text) == "null" {
		return nil
	}
	return fields[i].read(text)
}

// lowEnd is the lower end of a range.
type lowEnd string

const (
	positive    lowEnd = "> 0"
	notNegative lowEnd = "≥ 0"
)

func realSetting(to **float64, low lowEnd, high float64) func(json.RawMessage) error {
	return func(text json.RawMessage) error {
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil || math.IsNaN(v) || v < 0 || v == 0 && low == positive || v > high {
			return fmt.Errorf("is %.40s; must be a number %s and ≤ %v", text, low, high)
		}
		*to = &v
		return nil
	}
}

// wholeSetting also takes 4.0 and 1e3, as other tools write them.
func wholeSetting(to **int, low, high int) func(json.RawMessage) error {
	return func(text json.RawMessage) error {
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil || math.IsNaN(v) || v != math.Trunc(v) || v < float64(low) || v > float64(high) {
			return fmt.Errorf("is %.40s; must be a whole number from %d to %d", text, low, high)
		}
		n := int(v)
		*to = &n
		return nil
	}
}

func switchSetting(to **bool) func(json.RawMessage) error {
	return func(text json.RawMessage) error {
		v := string(text) == "true"
		if !v && string(text) != "false" {
			return fmt.Errorf("is %.40s; must be true or false", text)
		}
		*to = &v
		return nil
	}
}

func wordSetting(to **string, words ...string) func(json.RawMessage) error {
	return func(text json.RawMessage) error {
		var v string
		if json.Unmarshal(text, &v) != nil || !slices.Contains(words, v) {
			return fmt.Errorf("is %.40s; must be %s", text, strings.Join(words, ", "))
		}
		*to = &v
		return nil
	}
}

// modulesSetting reads names of modules. PEFT would take a text as a regular expression;
// only "all-linear" is supported here.
func modulesSetting(to *[]string) func(json.RawMessage) error {
	return func(text json.RawMessage) error {
		var names []string
		if string(text) == `"all-linear"` {
			names = []string{AllLinear}
		} else if json.Unmarshal(text, &names) != nil {
			return fmt.Errorf(`is %.40s; must be a list of names like ["q_proj", "v_proj"], or "all-linear"`, text)
		}
		if len(names) == 0 || len(names) > 64 {
			return fmt.Errorf("holds %d names; must be 1 to 64", len(names))
		}
		for _, name := range names {
			if !moduleName(name) {
				return fmt.Errorf("holds %.64q, which is not a valid module name", name)
			}
		}
		slices.Sort(names)
		*to = slices.Compact(names)
		return nil
	}
}

func moduleName(name string) bool {
	ok := func(r rune) bool {
		return r == '_' || r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	return name != "" && len(name) <= 128 && strings.IndexFunc(name, func(r rune) bool { return !ok(r) }) < 0
}

func ignoredSetting(to *json.RawMessage) func(json.RawMessage) error {
	return func(text json.RawMessage) error {
		var compact bytes.Buffer
		err := json.Compact(&compact, text)
		*to = compact.Bytes()
		return err
	}
}
