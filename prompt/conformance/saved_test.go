package conformance_test

import (
	"encoding/json"
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

// TestSaved: a program that DSPy saved is optimized further, and the published program makes the
// same requests in DSPy. Its names come from a signature, or from the file.
func TestSaved(t *testing.T) {
	t.Parallel()
	signature, err := prompt.Read([]byte(miprotest.TwoSteps))
	require.NoError(t, err)
	inputs := python.NewObject("query", "find it", "agent", "a")
	type row struct {
		Program      *prompt.Program  `json:"program"`
		Instructions string           `json:"instructions,omitempty"`
		Demos        []*prompt.Object `json:"demos,omitempty"`
		File         string           `json:"file,omitempty"`
		State        string           `json:"state,omitempty"`
		Inputs       *prompt.Object   `json:"inputs,omitempty"`
	}
	demos := []*prompt.Object{python.NewObject("augmented", true, "query", "topic", "reasoning", "r", "agent", "a\nb", "answer", "1")}
	rows := []row{{Program: signature}, {Program: signature, Demos: demos}, {Program: signature, Instructions: "Be \"brief\".\n\n  Be right.", Demos: demos}}
	stdin, err := json.Marshal(rows)
	require.NoError(t, err)
	var files []struct {
		File, State string
		Pickles     [][]byte
	}
	ask(t, &files, stdin, "saved.py")
	var back []row
	var want [][][]prompt.Message
	for i, f := range files {
		for _, pickle := range f.Pickles {
			require.False(t, saved.Is(pickle))
			require.ErrorContains(t, saved.CheckPickle("program", pickle), `program.save("program.json")`)
		}
		for _, text := range []string{f.File, f.State} {
			require.True(t, saved.Is([]byte(text)))
			loaded, err := saved.Load(signature, []byte(text))
			require.NoError(t, err)
			named, err := saved.Named("p", []byte(text))
			if i == 2 { // of the second predictor, nothing says which fields are outputs
				require.ErrorContains(t, err, `predictor "reply": the file does not say which of its fields query, agent, answer are outputs`)
				named = loaded
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, prompts(t, loaded, inputs), prompts(t, named, inputs))
			require.Equal(t, string(loaded.File()), string(named.File()))
			best := optimized(t, named)
			require.NotEqual(t, string(loaded.File()), string(best.File()))
			back = append(back, row{Program: signature, File: string(best.File()), State: python.Dumps(best.State()), Inputs: inputs, Instructions: "x"})
			want = append(want, prompts(t, best, inputs))
		}
	}
	stdin, err = json.Marshal(back)
	require.NoError(t, err)
	var answers []struct{ Loaded, Bare [][]prompt.Message }
	ask(t, &answers, stdin, "state.py")
	for i, a := range answers {
		require.Equal(t, want[i], a.Loaded)
		require.Equal(t, want[i], a.Bare)
	}
}

// optimized runs all stages on a program, with scripted answers.
func optimized(t *testing.T, p *prompt.Program) *prompt.Program {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	plan, err := mipro.NewPlan(miprotest.Job(t, string(text), miprotest.Small))
	require.NoError(t, err)
	demos := bootstrap.New(plan)
	miprotest.Play(t, demos, 1, "")
	proposals := propose.New(plan, demos.Sets())
	miprotest.Play(t, proposals, 1, "")
	s, err := search.New(plan, demos.Sets(), proposals.Instructions(), nil)
	require.NoError(t, err)
	miprotest.Play(t, s, 1, "")
	best, _ := s.Best()
	if best == plan.Job.Program { // another candidate goes back as well
		best = best.Copy()
		for i, predictor := range best.Predictors {
			predictor.Demos, predictor.Instructions = demos.Sets()[i][2], proposals.Instructions()[i][1]
		}
	}
	return best
}
