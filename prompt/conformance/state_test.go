package conformance_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

const (
	qa = `{"name": "self", "inputs": [{"name": "question"}], "outputs": [{"name": "answer"}]}`
	// An explicit output "reasoning", which a chain of thought moves to the front.
	route = `{"name": "route", "module": "chain_of_thought", "instructions": "  Route.\n    Well.", "inputs": [{"name": "query", "desc": "the query"}],
		"outputs": [{"name": "agent", "type": "literal", "options": ["video_search", "text_search"]},
		{"name": "confidence", "type": "float", "desc": "from 0 to 1"}, {"name": "reasoning", "desc": "why"}]}`
	answer = `{"name": "answer", "inputs": [{"name": "query"}, {"name": "agent"}, {"name": "why"}], "reads": {"why": "route.reasoning"},
		"outputs": [{"name": "answer", "prefix": "Final:"}, {"name": "tags", "type": "list", "items": {"type": "str"}}]}`
)

// pythonIn matches the Python version in a file, which may differ.
var pythonIn = regexp.MustCompile(`"python": "3\.\d+"`)

// programs are the programs with which whole files and runs are compared.
func programs(t *testing.T) []*prompt.Program {
	t.Helper()
	var all []*prompt.Program
	for _, predictors := range []string{
		qa, `{"name": "self", "module": "chain_of_thought", ` + qa[len(`{"name": "self",`):], route, route + "," + answer,
	} {
		p, err := prompt.Read([]byte(`{"name": "test", "predictors": [` + predictors + `]}`))
		require.NoError(t, err)
		all = append(all, p)
	}
	return all
}

// TestState: each side can load the files of the other, and loaded programs make the same calls.
func TestState(t *testing.T) {
	t.Parallel()
	type row struct {
		Program      *prompt.Program  `json:"program"`
		File         string           `json:"file"`
		State        string           `json:"state"`
		Inputs       *prompt.Object   `json:"inputs"`
		Instructions string           `json:"instructions"`
		Demos        []*prompt.Object `json:"demos"`
	}
	demos := []*prompt.Object{
		python.NewObject("augmented", true, "question", "q", "query", "é \"quoted\"", "agent", "text_search", "why", "w", "confidence", 0.5,
			"reasoning", "r\n  s", "answer", "a", "tags", []any{"x"}),
		python.NewObject("query", "labeled", "question", "only", "answer", "b", "agent", "video_search", "dspy_uuid", "17", "n", 1.0, "none", nil),
	}
	var rows []row
	for _, p := range append(programs(t), typed(t)) {
		tuned := p.Copy()
		for _, predictor := range tuned.Predictors {
			predictor.Instructions = prompt.Normalize("\n\tTuned «text»\n\t  with \"quotes\" and 日本\n")
			predictor.Demos = demos
		}
		rows = append(rows, row{
			Program: p, File: string(tuned.File()), State: python.Dumps(tuned.State()), Demos: demos,
			Instructions: "Be brief.\n    Be right.", Inputs: python.NewObject("question", "?", "query", "find", "agent", "x", "why", "y"),
		})
	}
	stdin, err := json.Marshal(rows)
	require.NoError(t, err)
	var answers []struct {
		Loaded, Bare, Changed [][]prompt.Message
		Resaved, File, State  string
	}
	ask(t, &answers, stdin, "state.py")
	require.Len(t, answers, len(rows))
	for i, a := range answers {
		p := rows[i].Program
		ours, err := p.Load([]byte(rows[i].File))
		require.NoError(t, err)
		require.Equal(t, a.Loaded, prompts(t, ours, rows[i].Inputs), "cogflow's file in DSPy")
		require.Equal(t, a.Bare, a.Loaded, "cogflow's dump_state form in DSPy")
		require.Equal(t, rows[i].State, a.Resaved, "saved again by DSPy")
		for _, text := range []string{a.File, a.State} {
			loaded, err := p.Load([]byte(text))
			require.NoError(t, err)
			require.Equal(t, a.Changed, prompts(t, loaded, rows[i].Inputs), "DSPy's file in cogflow")
			require.Equal(t, a.State, python.Dumps(loaded.State()))
			require.Equal(t, pythonIn.ReplaceAllString(a.File, `"python": "3.11"`), string(loaded.File()), "byte for byte")
		}
	}
}

func prompts(t *testing.T, p *prompt.Program, inputs *prompt.Object) [][]prompt.Message {
	t.Helper()
	var all [][]prompt.Message
	for _, predictor := range p.Predictors {
		messages, err := prompt.Render(prompt.Chat, predictor.Signature(), predictor.Demos, inputs)
		require.NoError(t, err)
		all = append(all, messages)
	}
	return all
}
