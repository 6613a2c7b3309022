package conformance_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/bootstrap"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/prompt/mipro/propose"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/prompt/saved"
)

// The inputs and outputs of the programs that go to DSPy and back.
const (
	inputFields = `"inputs": [{"name": "query"}, {"name": "photo", "type": "image", "desc": "what is seen"}, {"name": "photos", "type": "list", "items": {"type": "image"}},
		{"name": "maybe", "type": "optional", "items": {"type": "image"}}, {"name": "limit", "type": "optional", "items": {"type": "int"}}]`
	kindFields = `{"name": "color", "type": "enum", "class": "Color", "members": ["RED", "BLUE"], "options": ["red", "blue"]},
		{"name": "level", "type": "literal", "options": [1, 2, 3]}, {"name": "rank", "type": "enum", "class": "Rank", "members": ["LOW", "HIGH"], "options": [1, 2]},
		{"name": "note", "type": "optional", "items": {"type": "str"}}, {"name": "mood", "type": "literal", "options": ["good", "bad"], "prefix": "The mood:"}`
	outputFields = `"outputs": [` + kindFields + `, {"name": "answer"}]`
)

// roundTrips are programs of a Predict, a ChainOfThought and a module with several predictors.
func roundTrips() []string {
	reply := `{"name": "steps[0]", "inputs": [{"name": "query"}, {"name": "color", "type": "enum", "class": "Color", "members": ["RED", "BLUE"],
		"options": ["red", "blue"]}, {"name": "why"}, {"name": "photo", "type": "image"}], "reads": {"why": "look.reasoning"}, "outputs": [{"name": "answer"}]}`
	return []string{
		`{"name": "p", "predictors": [{"name": "self", ` + inputFields + `, ` + outputFields + `}]}`,
		`{"name": "p", "predictors": [{"name": "self", "module": "chain_of_thought", "instructions": "Look.\n  Then say.", ` + inputFields + `, ` + outputFields + `}]}`,
		`{"name": "p", "predictors": [{"name": "look", "module": "chain_of_thought", ` + inputFields + `, "outputs": [` + kindFields + `]},
			` + strings.Replace(reply, "steps[0]", "reply", 1) + `]}`,
	}
}

// answerOf is a valid answer to a request.
func answerOf(call mipro.Call, valid map[string][]string) string {
	text := miprotest.Answer(call, "")
	n := len(text) + int(call.Rollout)
	for name, values := range valid {
		value := values[(n+len(name))%len(values)]
		if head := "[[ ## " + name + " ## ]]\n"; strings.Contains(text, head) {
			before, after, _ := strings.Cut(text, head)
			_, rest, _ := strings.Cut(after, "\n")
			text = before + head + value + "\n" + rest
		}
	}
	return text
}

// TestRoundTrip: programs that DSPy saved, with images, enums, literals and optionals in their
// fields and demos, make DSPy's requests in cogflow, are optimized, and make cogflow's requests
// in DSPy, which saves the same file again.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	valid := map[string][]string{"color": {"red", "BLUE"}, "level": {"1", "3"}, "rank": {"2", "HIGH"}, "mood": {"good", "bad"}, "note": {"a note", "null"}}
	source := seen(t, examples(7, 3))
	type row struct {
		Program      *prompt.Program  `json:"program"`
		Instructions string           `json:"instructions,omitempty"`
		Demos        []*prompt.Object `json:"demos,omitempty"`
		File         string           `json:"file,omitempty"`
		State        string           `json:"state,omitempty"`
		Inputs       *prompt.Object   `json:"inputs,omitempty"`
	}
	inputs := source[0].Copy()
	inputs.Set("color", "blue")
	inputs.Set("why", "it is")
	inputs.Set("limit", nil)
	var demos []*prompt.Object
	for i, from := range source {
		demo := python.NewObject("augmented", true, "reasoning", "r", "color", "red", "level", int64(2), "rank", int64(1), "note", []any{nil, "n", "m"}[i],
			"mood", "bad", "answer", "a\nb", "limit", int64(i), "why", "w")
		for _, k := range []string{"query", "photo", "photos", "maybe"} {
			v, _ := from.Get(k)
			demo.Set(k, v)
		}
		demos = append(demos, demo)
	}
	var rows []row
	for _, text := range roundTrips() {
		p, err := prompt.Read([]byte(text))
		require.NoError(t, err)
		rows = append(rows, row{Program: p, Demos: demos, Instructions: "Be \"brief\".\n\n  Be right."})
	}
	stdin, err := json.Marshal(rows)
	require.NoError(t, err)
	var files []struct{ File, State string }
	ask(t, &files, stdin, "saved.py")
	var back []row
	var want [][][]prompt.Message
	for i, f := range files {
		for _, text := range []string{f.File, f.State} {
			require.True(t, saved.Is([]byte(text)))
			loaded, err := saved.Load(rows[i].Program, []byte(text))
			require.NoError(t, err)
			require.Len(t, loaded.Predictors[0].Demos, len(demos))
			best := optimizedOn(t, loaded, source, valid)
			require.NotEqual(t, string(loaded.File()), string(best.File()))
			for _, p := range []*prompt.Program{loaded, best} {
				back = append(back, row{Program: rows[i].Program, File: string(p.File()), State: python.Dumps(p.State()), Inputs: inputs, Instructions: "x"})
				want = append(want, prompts(t, p, inputs))
			}
		}
	}
	stdin, err = json.Marshal(back)
	require.NoError(t, err)
	var answers []struct {
		Loaded, Bare [][]prompt.Message
		Resaved      string
	}
	ask(t, &answers, stdin, "state.py")
	require.Len(t, answers, 4*len(rows))
	for i, a := range answers {
		require.Equal(t, want[i], a.Loaded)
		require.Equal(t, want[i], a.Bare)
		require.Equal(t, back[i].State, a.Resaved, "saved again by DSPy")
	}
}

// optimizedOn runs all stages on a program, with valid answers.
func optimizedOn(t *testing.T, p *prompt.Program, values []*prompt.Object, valid map[string][]string) *prompt.Program {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	job := miprotest.Job(t, string(text), miprotest.Small)
	for _, set := range []*[]*prompt.Object{&job.Train, &job.Val} {
		for i, row := range *set {
			for _, k := range []string{"photo", "photos", "maybe"} {
				v, _ := values[i%len(values)].Get(k)
				row.Set(k, v)
			}
			row.Set("limit", int64(i))
		}
		*set, err = job.Program.Rows("trainset", *set)
		require.NoError(t, err)
	}
	plan, err := mipro.NewPlan(job)
	require.NoError(t, err)
	run := func(s stage) {
		for calls := s.Calls(); len(calls) > 0; calls = s.Calls() {
			for _, call := range calls {
				require.NoError(t, s.Take(call.ID, mipro.Answer{Text: answerOf(call, valid)}))
			}
		}
	}
	demos := bootstrap.New(plan)
	run(demos)
	proposals := propose.New(plan, demos.Sets())
	run(proposals)
	s, err := search.New(plan, demos.Sets(), proposals.Instructions(), nil)
	require.NoError(t, err)
	run(s)
	best, _ := s.Best()
	if best == plan.Job.Program || !hasAnswers(best.Predictors[0].Demos) { // demos that the model answered go back as well
		best = best.Copy()
		for i, predictor := range best.Predictors {
			predictor.Demos, predictor.Instructions = demos.Sets()[i][2], proposals.Instructions()[i][1]
		}
	}
	require.True(t, hasAnswers(best.Predictors[0].Demos))
	return best
}

func hasAnswers(demos []*prompt.Object) bool {
	return slices.ContainsFunc(demos, func(demo *prompt.Object) bool {
		_, ok := demo.Get("augmented")
		return ok
	})
}
