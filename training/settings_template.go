package training

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// MaxTemplateBytes is the maximum size of chat_template_kwargs, as JSON: they are part of
// every history and of the model card.
const MaxTemplateBytes = 64 << 10

// variableName is a name that a chat template can read.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// fixedVariables are arguments of apply_chat_template that the trainer sets, or that change
// the kind of its result.
func fixedVariables() []string {
	return []string{
		"add_generation_prompt", "chat_template", "continue_final_message", "conversation", "conversations", "max_length", "messages", "padding",
		"return_assistant_tokens_mask", "return_dict", "return_tensors", "self", "strftime_now", "tokenize", "tokenizer_kwargs", "truncation",
	}
}

// templateSetting reads variables of a chat template. A null is a variable: some templates
// ask whether it is defined.
func templateSetting(to *map[string]any) func(json.RawMessage) error {
	return func(text json.RawMessage) error {
		if len(text) > MaxTemplateBytes {
			return fmt.Errorf("has %d bytes; must be at most %d", len(text), MaxTemplateBytes)
		}
		var given map[string]any
		d := json.NewDecoder(bytes.NewReader(text))
		if err := d.Decode(&given); err != nil || given == nil || d.Decode(new(any)) != io.EOF {
			return fmt.Errorf(`is %.40s; must be an object such as {"enable_thinking": false}`, text)
		}
		for _, name := range slices.Sorted(maps.Keys(given)) {
			switch {
			case slices.Contains(fixedVariables(), name):
				return fmt.Errorf("holds %q, which the trainer sets", name)
			case !variableName.MatchString(name):
				return fmt.Errorf("holds %.64q, which is not the name of a variable", name)
			case !exact(given[name]):
				return fmt.Errorf("holds %q with a number that is not exact in JSON; write it as a string", name)
			}
			if kind, ok := listed(name); ok && !objects(given[name]) {
				return fmt.Errorf("holds %q; must be a list of objects, each %s", name, kind)
			}
		}
		*to = given
		return nil
	}
}

// listed names what apply_chat_template takes as a list of objects.
func listed(name string) (kind string, ok bool) {
	switch strings.ToLower(name) {
	case "tools":
		return "a JSON schema of a function", true
	case "documents":
		return "with title and text", true
	}
	return "", false
}

func objects(v any) bool {
	list, ok := v.([]any)
	return (ok || v == nil) && !slices.ContainsFunc(list, func(e any) bool { _, is := e.(map[string]any); return !is })
}

// exact reports whether all numbers of a value are the same after they are read and written
// again: a job's history is.
func exact(v any) bool {
	switch v := v.(type) {
	case float64:
		return math.Abs(v) < 1<<53
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !exact(e) })
	case map[string]any:
		for _, e := range v {
			if !exact(e) {
				return false
			}
		}
	}
	return true
}
