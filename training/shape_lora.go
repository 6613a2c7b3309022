package training

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// Adapt returns l with target modules that the model has. Names that the input
// said must be there; the default ones (Extras.DefaultTargets) are translated
// for architectures that name the attention's matrices otherwise.
func (s Shape) Adapt(l LoRA, defaults bool) (LoRA, error) {
	if defaults && !s.hasAll(l.TargetModules) {
		if names := s.translate(l.TargetModules); len(names) > 0 {
			l.TargetModules = names
		}
	}
	_, err := s.LoRAParameters(l)
	return l, err
}

// translate finds the matrices that do the work of the named ones.
func (s Shape) translate(targets []string) (names []string) {
	same := map[string][]string{
		"q_proj": {"query", "q_lin", "q", "query_key_value", "qkv_proj", "Wqkv", "c_attn", "mixer.Wqkv"},
		"k_proj": {"key", "k_lin", "k", "query_key_value", "qkv_proj", "Wqkv", "c_attn"},
		"v_proj": {"value", "v_lin", "v", "query_key_value", "qkv_proj", "Wqkv", "c_attn"},
		"o_proj": {"attention.output.dense", "out_lin", "o", "attention.dense", "self_attn.dense", "out_proj", "attn.Wo", "attn.c_proj"},
	}
	for _, target := range targets {
		for _, name := range append([]string{target}, same[target]...) {
			if s.hasAll([]string{name}) {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (s Shape) hasAll(targets []string) bool {
	for _, target := range targets {
		if !slices.ContainsFunc(s.Linear, func(l Linear) bool { return l.matches(target) > 0 }) {
			return false
		}
	}
	return true
}

// LoRAParameters counts the weights of an adapter exactly. Target modules that
// the model does not have are an input fault that lists those it has.
func (s Shape) LoRAParameters(l LoRA) (int64, error) {
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

// matches returns how many matrices of the group PEFT would take for a target:
// those whose name is it, or ends in a dot and it.
func (l Linear) matches(target string) int {
	if target == allLinear {
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
