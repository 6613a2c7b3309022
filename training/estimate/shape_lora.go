package estimate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// Adapt returns l with target modules that the model has. The usual names of the
// attention's matrices are mapped to the names of this architecture; other unknown names
// are refused.
func (s Shape) Adapt(l training.LoRA) (training.LoRA, error) {
	var names []string
	for _, target := range l.TargetModules {
		names = append(names, s.moduleFor(target))
	}
	slices.Sort(names)
	l.TargetModules = slices.Compact(names)
	_, err := s.LoRAParameters(l)
	return l, err
}

// AdaptDefault is Adapt for target modules that nobody chose: where the model lacks one of them,
// every linear layer gets an adapter.
func (s Shape) AdaptDefault(l training.LoRA) (training.LoRA, error) {
	if usual, err := s.Adapt(l); err == nil {
		return usual, nil
	}
	l.TargetModules = []string{training.AllLinear}
	return s.Adapt(l)
}

// moduleFor returns the model's name of a matrix, or the name unchanged.
func (s Shape) moduleFor(target string) string {
	same := map[string][]string{
		"q_proj":            {"query", "q_lin", "attn.q", "SelfAttention.q", "Wqkv", "qkv_proj", "query_key_value", "c_attn"},
		"k_proj":            {"key", "k_lin", "attn.k", "SelfAttention.k", "Wqkv", "qkv_proj", "query_key_value", "c_attn"},
		"v_proj":            {"value", "v_lin", "attn.v", "SelfAttention.v", "Wqkv", "qkv_proj", "query_key_value", "c_attn"},
		training.Projection: {"embedding_proj_layer", "linear"},
		"o_proj":            {"attention.output.dense", "out_lin", "attn.o", "SelfAttention.o", "attn.Wo", "out_proj", "attention.dense", "self_attn.dense", "attn.c_proj"},
	}
	if target == training.AllLinear || s.has(target) {
		return target
	}
	for _, name := range same[target] {
		if s.has(name) {
			return name
		}
	}
	return target
}

func (s Shape) has(target string) bool {
	return slices.ContainsFunc(s.Linear, func(l Linear) bool { return l.matches(target) > 0 })
}

// LoRAParameters counts the weights of an adapter exactly. Unknown target modules are an
// input fault that lists the known ones.
func (s Shape) LoRAParameters(l training.LoRA) (int64, error) {
	var total int64
	used := map[string]bool{}
	for _, linear := range s.Linear {
		n := 0
		for _, target := range l.TargetModules {
			if m := linear.matches(target); m > 0 {
				used[target] = true
				n = max(n, m)
			}
		}
		total += int64(n) * int64(l.R) * int64(linear.In+linear.Out)
	}
	for _, target := range l.TargetModules {
		if !used[target] {
			return 0, fault.New(fault.Input, "place LoRA", target,
				fmt.Sprintf("the model (%s) has no such module; target_modules can be all-linear, %s", s.Architecture, strings.Join(s.Modules(), ", ")))
		}
	}
	return total, nil
}

// Modules lists the last names of the matrices that LoRA can attach to, sorted.
func (s Shape) Modules() []string {
	var names []string
	for _, l := range s.Linear {
		names = append(names, l.Name[strings.LastIndexByte(l.Name, '.')+1:])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// matches returns how many matrices of the group PEFT would take for a target: those whose
// name is the target, or ends in a dot and the target.
func (l Linear) matches(target string) int {
	if target == training.AllLinear {
		if last := l.Name[strings.LastIndexByte(l.Name, '.')+1:]; last == "lm_head" || last == "embed_out" {
			return 0
		}
		return l.Count
	}
	parts, wanted := strings.Split(l.Name, "."), strings.Split(target, ".")
	if len(wanted) > len(parts) {
		return 0
	}
	n := l.Count
	for i, want := range wanted {
		have := parts[len(parts)-len(wanted)+i]
		if _, err := strconv.ParseUint(want, 10, 32); err == nil && have == "*" {
			n = 1 // of one layer only
			continue
		}
		if have != want {
			return 0
		}
	}
	return n
}
