package optimize

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
)

// TestInfiniteAnswers: numbers that JSON does not have, in answers of the teacher and the
// student, do not end a job.
func TestInfiniteAnswers(t *testing.T) {
	t.Parallel()
	everyMode(t, func(o *optimizing) {
		o.lm.ends = func(_ prompt.Completion, answer *prompt.CompletionAnswer) {
			if before, after, ok := strings.Cut(answer.Text, "[[ ## sure ## ]]\n"); ok {
				_, after, _ = strings.Cut(after, "\n")
				answer.Text = before + "[[ ## sure ## ]]\n1e999\n" + after
			}
		}
		in := PrepareInput{
			Tenant: "default", Mode: o.mode, Metric: json.RawMessage(`{"kind":"exact","field":"answer"}`),
			Program: json.RawMessage(`{"name": "p", "predictors": [{"name": "self", "inputs": [{"name": "query"}],
				"outputs": [{"name": "answer"}, {"name": "sure", "type": "float"}]}]}`),
			Trainset: examples(o.t, 0, 12), Valset: examples(o.t, 12, 28), Testset: examples(o.t, 28, 52),
		}
		o.prepare(in)
		for _, p := range o.parts() {
			_, err := p.run(o)
			require.NoError(o.t, err, p.name)
		}
		_, err := o.publish()
		require.NoError(o.t, err)
	})
}
