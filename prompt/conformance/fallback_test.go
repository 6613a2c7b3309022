package conformance_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

type fallbackCase struct {
	Program *prompt.Program `json:"program"`
	Server  prompt.Server   `json:"server"`
	Answers []string        `json:"answers"`
	Inputs  *prompt.Object  `json:"inputs"`
}

// fallbackCases are two programs, one with an output that a schema cannot enforce, on four
// servers; the answers of some calls cannot be parsed.
func fallbackCases(t *testing.T) []fallbackCase {
	t.Helper()
	open, err := prompt.Read([]byte(`{"name": "open", "predictors": [{"name": "self", "inputs": [{"name": "query"}],
		"outputs": [{"name": "answer"}, {"name": "any", "type": "object"}]}]}`))
	require.NoError(t, err)
	good := []string{
		"[[ ## reasoning ## ]]\nr\n[[ ## agent ## ]]\ntext_search\n[[ ## confidence ## ]]\n0.5\n[[ ## answer ## ]]\na\n[[ ## tags ## ]]\n[]\n[[ ## any ## ]]\n{}",
		`{"reasoning": "r", "agent": "text_search", "confidence": 0.5, "answer": "a", "tags": ["x"], "any": {"k": 1}}`,
	}
	var cases []fallbackCase
	for _, p := range []*prompt.Program{programs(t)[3], open} {
		for _, server := range []prompt.Server{{}, {JSON: true}, {JSON: true, Schema: true}, {Schema: true}} {
			for bad := range 16 { // which of the first calls fail
				var answers []string
				for call := range 8 {
					switch {
					case bad>>call&1 == 1:
						answers = append(answers, "nothing to parse")
					case call%2 == 0 && bad == 0:
						answers = append(answers, good[0])
					default:
						answers = append(answers, good[1])
					}
				}
				cases = append(cases, fallbackCase{p, server, answers, python.NewObject("query", "q")})
			}
		}
	}
	return cases
}

// TestFallback: the same calls in the same order, whichever calls fail.
func TestFallback(t *testing.T) {
	t.Parallel()
	cases := fallbackCases(t)
	stdin, err := json.Marshal(cases)
	require.NoError(t, err)
	var results []struct {
		Asked []struct {
			Messages []prompt.Message
			Format   string
		}
		Outputs *prompt.Object
		Left    int
	}
	ask(t, &results, stdin, "fallback.py")
	require.Len(t, results, len(cases))
	for i, c := range cases {
		name := fmt.Sprintf("case %d, %s before %+v", i, c.Program.Name, c.Server)
		e := c.Program.Start(c.Inputs, c.Server)
		n := 0
		for ; e.Next() != nil; n++ {
			require.Less(t, n, len(results[i].Asked), name)
			require.Equal(t, results[i].Asked[n].Messages, e.Next().Messages, name)
			kind, _ := e.Next().Format.Get("type")
			format, _ := kind.(string)
			require.Equal(t, results[i].Asked[n].Format, format, name)
			e.Take(c.Answers[n])
		}
		require.Len(t, results[i].Asked, n, name)
		outputs, err := e.Result()
		if results[i].Outputs == nil {
			require.Error(t, err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, python.Dumps(results[i].Outputs), python.Dumps(outputs), name)
	}
}
