// Package fieldname recognizes other names of the fields of rows.
package fieldname

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

const longest = 40 // bytes of a name that may be a misspelling

// Similar reports whether a may be a misspelling of b, or another usual name of it.
func Similar(a, b string) bool {
	for _, names := range [][]string{
		{"completion", "response", "output", "answer", "target"},
		{"prompt", "question", "input", "query", "instruction"},
		{"chosen", "preferred", "accepted", "preferred_output"},
		{"rejected", "dispreferred", "non_preferred_output"},
		{"anchor", "query", "sentence1"},
		{"positive", "pos", "sentence2"},
		{"negative", "neg", "hard_negative", "sentence3"},
		{"text", "content"},
		{"label", "rating", "feedback", "desirable", "is_desirable", "thumbs_up", "approved"},
	} {
		if slices.Contains(names, strings.ToLower(a)) && names[0] == b {
			return true
		}
	}
	return len(a) <= longest && a != b && levenshtein.ComputeDistance(strings.ToLower(a), b) <= 2
}
