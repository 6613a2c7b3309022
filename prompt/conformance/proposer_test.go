package conformance_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
	"github.com/cogniverse/cogflow/prompt/python"
)

// reflection is a case of proposer.py.
type reflection struct {
	Current  string           `json:"current"`
	Examples []*prompt.Object `json:"examples"`
	Answer   string           `json:"answer"`
}

// TestReflection: requests to the proposer, and the values read from its answers, equal those of
// DSPy's GEPA.
func TestReflection(t *testing.T) {
	t.Parallel()
	rows := []*prompt.Object{
		python.NewObject("query", "é \"x\"\nline two", "n", []any{int64(1), 2.5, nil, true}),
		python.NewObject("query", "[[ ## query ## ]]", "n", []any{}),
	}
	said := []string{"a\n\nb", "naïve `code`"}
	feedback := []string{"It must be \"c\".", ""}
	c := reflection{Current: prompt.Normalize("Answer.\n\n  Indented."), Answer: "[[ ## new_instruction ## ]]\n  Answer well.\n\n    - shortly\n    - kindly\n\n[[ ## completed ## ]]"}
	for i, row := range rows {
		text := feedback[i]
		if text == "" {
			text = "This trajectory got a score of 0.5."
		}
		c.Examples = append(c.Examples, python.NewObject("Inputs", row, "Generated Outputs", python.NewObject("answer", said[i]), "Feedback", text))
	}
	asked, text := reflect(t, c.Current, rows, said, feedback, c.Answer)

	stdin, err := json.Marshal([]reflection{c})
	require.NoError(t, err)
	var want []struct {
		Messages []prompt.Message
		New      string
	}
	ask(t, &want, stdin, "proposer.py")
	require.Equal(t, want[0].Messages, asked)
	require.Equal(t, prompt.Normalize(want[0].New), text)
}

// reflect runs the first reflection of a search, and returns the request to the proposer and the
// new instruction.
func reflect(t *testing.T, current string, rows []*prompt.Object, said, feedback []string, answer string) (asked []prompt.Message, text string) {
	t.Helper()
	program := &prompt.Program{Name: "p", Predictors: []*prompt.Predictor{{
		Name: "self", Module: prompt.Predict, Instructions: current, Outputs: []prompt.Field{{Name: "answer"}},
		Inputs: []prompt.Field{{Name: "query"}, {Name: "n", Type: prompt.Type{Kind: prompt.List}}},
	}}}
	m, err := metric.Read([]byte(`{"kind": "command", "command": "m"}`), program, []string{"query", "n"})
	require.NoError(t, err)
	plan, err := gepa.NewPlan(&mipro.Job{Program: program, Metric: m, Train: rows}, gepa.Options{ReflectionMinibatchSize: 2, MaxMetricCalls: 3})
	require.NoError(t, err)
	s := gepa.New(plan, nil)
	at := func(o *prompt.Object) int {
		for i, row := range rows {
			if python.Equal(o, row) {
				return i
			}
		}
		t.Fatal("an unknown row")
		return 0
	}
	for needed := s.Calls(); len(needed) > 0; needed = s.Calls() {
		call := needed[0]
		var take mipro.Answer
		switch call.Role {
		case mipro.Proposer:
			asked, take.Text = call.Request.Messages, answer
		case mipro.Command:
			take = mipro.Answer{Score: 0.5, Feedback: feedback[at(call.Example)]}
		default:
			i := 0
			if want, err := prompt.Render(prompt.Chat, program.Predictors[0].Signature(), nil, rows[1]); err == nil && call.Request.Messages[1].Content == want[1].Content {
				i = 1
			}
			take.Text = "[[ ## answer ## ]]\n" + said[i]
		}
		require.NoError(t, s.Take(call.ID, take))
	}
	made := s.Iterations()[1]
	require.Len(t, made.Proposals, 1)
	if made.Rows[0] == 1 { // the order in which the examples are shown
		rows[0], rows[1] = rows[1], rows[0]
	}
	return asked, made.Proposals[0].Text
}
