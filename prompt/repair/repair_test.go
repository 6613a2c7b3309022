package repair_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/prompt/repair"
)

// TestLoads: the results equal those of json_repair 0.64; prompt/conformance compares thousands more.
func TestLoads(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a": 1,}`:                           `{"a": 1}`,
		`{a: 'b', c: True}`:                   `{"a": "b", "c": true}`,
		`{"a": [1, 2`:                         `{"a": [1, 2]}`,
		`{"a": "he said "hi" to me"}`:         `{"a": "he said \"hi\" to me"}`,
		"```json\n{\"a\": 1}\n```":            `{"a": 1}`,
		`Here: {"a": 1} // done`:              `{"a": 1}`,
		"{\"a\": \"x\", # why\n \"b\": None}": `{"a": "x", "b": null}`,
		`{"a": 1}{"a": 2}`:                    `{"a": 2}`,
		`{"a": 1} {"b": 2}`:                   `[{"a": 1}, {"b": 2}]`,
		`{"a", "b"}`:                          `["a", "b"]`,
		`(1, 2)`:                              `[1, 2]`,
		`five`:                                `""`,
		`"a": 1}`:                             `{"a": 1}`,
	} {
		v, err := repair.Loads(text)
		require.NoError(t, err, text)
		require.Equal(t, want, python.Dumps(v), text)
	}
}

// TestAdversarialText: adversarial text has a bounded cost and never panics.
func TestAdversarialText(t *testing.T) {
	t.Parallel()
	_, err := repair.Loads(strings.Repeat(`{"a":[`, 5_000))
	require.ErrorContains(t, err, "nested too deeply")
	_, err = repair.Loads("{" + strings.Repeat("x", 1<<19))
	require.ErrorContains(t, err, "too long")
	_, err = repair.Loads(`{"a": "x` + strings.Repeat("{a:", 20_000))
	require.ErrorContains(t, err, "too broken", "an expensive search must be given up")
	for _, before := range []string{`{"a": "x`, `["x`, `{a`} {
		for _, part := range []string{`"`, `{"a": "b, `, `,`, `\`, `{`, `{a:`, `{"`, `["`, `'"`, "`", `"a" `, "}", "(", "#"} {
			_, err := repair.Loads(before + strings.Repeat(part, 4_000/len(part)))
			_ = err // any result is correct
		}
	}
}

func FuzzLoads(f *testing.F) {
	f.Add(`{"a": [1, 'b', {c: d}]}`)
	f.Add("```json\n{\"a\": \"b\n```")
	f.Fuzz(func(_ *testing.T, text string) {
		_, err := repair.Loads(text[:min(len(text), 2000)])
		_ = err
	})
}
