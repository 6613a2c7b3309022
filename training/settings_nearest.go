package training

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// settingAliases are the names of our settings in other tools.
func settingAliases() [][2]string {
	return [][2]string{
		{"num_train_epochs", "epochs"},
		{"n_epochs", "epochs"},
		{"num_epochs", "epochs"},
		{"lr", "learning_rate"},
		{"per_device_train_batch_size", "batch_size"},
		{"micro_batch_size", "batch_size"},
		{"max_length", "max_seq_length"},
		{"cutoff_len", "max_seq_length"},
		{"sequence_len", "max_seq_length"},
		{"lr_scheduler_type", "lr_scheduler"},
		{"bf16", "numerics"},
		{"margin", "triplet_margin"},
		{"r", "lora_r"},
		{"alpha", "lora_alpha"},
		{"dropout", "lora_dropout"},
		{"rank", "lora_r"},
		{"lora_target_modules", "target_modules"},
		{"lora_target", "target_modules"},
		{"lora_rank", "lora_r"},
		{"patience", "early_stopping_patience"},
		{"loss_type", "loss"},
		{"kto_chosen_weight", "desirable_weight"},
		{"kto_rejected_weight", "undesirable_weight"},
		{"pref_beta", "beta"},
		{"rl_beta", "beta"},
		{"template_kwargs", "chat_template_kwargs"},
		{"enable_thinking", "chat_template_kwargs"},
		{"date_string", "chat_template_kwargs"},
		{"tools", "chat_template_kwargs"},
		{"qlora", "load_in_4bit"},
		{"quantization", "load_in_4bit"},
		{"quantization_bit", "load_in_4bit"},
		{"bnb_4bit_quant_type", "load_in_4bit"},
	}
}

// nearestSetting suggests the known key that was probably meant.
func nearestSetting(key string, fields []settingField) string {
	lower := strings.ToLower(key[:min(len(key), 64)])
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	switch lower {
	case "seed", "base_model", "gpu", "timeout", "name", "dataset", "lora":
		return "it belongs beside this object, in the input itself"
	case "load_in_8bit":
		return `8 bits are not offered; 4 bits are: "load_in_4bit"`
	}
	for _, alias := range settingAliases() {
		for _, k := range known {
			if alias[0] == lower && alias[1] == k {
				return fmt.Sprintf("did you mean %q?", k)
			}
		}
	}
	best, distance := "", 1+max(2, len(key)/3)
	for _, k := range known {
		if d := levenshtein.ComputeDistance(lower, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "supported: " + strings.Join(known, ", ")
}
