package conformance_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/bootstrap"
	"github.com/cogniverse/cogflow/prompt/mipro/propose"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/prompt/python"
)

// runJob is the input of mipro.py.
type runJob struct {
	Name     string           `json:"name"`
	Program  *prompt.Program  `json:"program"`
	Source   string           `json:"source"`
	Inputs   []string         `json:"inputs"`
	Train    []*prompt.Object `json:"train"`
	Val      []*prompt.Object `json:"val"`
	Metric   json.RawMessage  `json:"metric"`
	Settings map[string]any   `json:"settings"`
}

// runResult is the output of mipro.py: what DSPy did.
type runResult struct {
	Answers []struct {
		Messages    []prompt.Message
		Rollout     *int64
		Temperature *float64
		Text        string
	}
	Sets         [][][]*prompt.Object
	Instructions [][]string
	Drawn        [][]int
	Trials       []struct {
		Choice map[string]int
		Value  float64
	}
	Score float64
	State string
}

func examples(seed uint64, n int) []*prompt.Object {
	rng := rand.New(rand.NewPCG(seed, 1))
	agents := []string{"video_search", "image_search", "text_search"}
	rows := make([]*prompt.Object, n)
	for i := range rows {
		text := fmt.Sprintf("find topic %d, it's \"nice\"\nplease", rng.IntN(1000))
		rows[i] = python.NewObject("question", text, "query", text, "agent", agents[rng.IntN(3)],
			"answer", fmt.Sprintf("the answer %d", rng.IntN(3)), "tags", []any{"x"}, "dspy_uuid", fmt.Sprint(i), "weight", 1.5)
	}
	return rows
}

// typed is a program whose first predictor has typed outputs, which the second one reads.
func typed(t *testing.T) *prompt.Program {
	t.Helper()
	const agent = `{"name": "agent", "type": "enum", "class": "Agent", "members": ["VIDEO", "IMAGE", "TEXT"],
		"options": ["video_search", "image_search", "text_search"]}`
	p, err := prompt.Read([]byte(`{"name": "typed", "predictors": [
		{"name": "route", "inputs": [{"name": "query"}], "outputs": [` + agent + `, {"name": "confidence", "type": "optional", "items": {"type": "float"}}]},
		{"name": "answer", "inputs": [{"name": "query"}, ` + agent + `, {"name": "confidence", "type": "optional", "items": {"type": "float"}}],
			"outputs": [{"name": "answer", "type": "union", "types": [{"type": "int"}, {"type": "str"}]}]}]}`))
	require.NoError(t, err)
	return p
}

// jobs are ten seeds of three programs, with settings that differ by seed, and four of a
// typed one.
func jobs(t *testing.T) []runJob {
	t.Helper()
	metrics := []string{
		`{"kind": "f1", "field": "answer"}`,
		`{"kind": "exact", "field": "agent"}`,
		`{"kind": "mean", "parts": [{"kind": "exact", "field": "agent", "weight": 3}, {"kind": "f1", "field": "answer", "weight": 1}]}`,
	}
	small := func(more map[string]any) map[string]any {
		s := map[string]any{"auto": "none", "num_candidates": 5, "num_trials": 13, "minibatch_size": 8, "minibatch_full_eval_steps": 4}
		maps.Copy(s, more)
		return s
	}
	variants := []map[string]any{
		{"auto": "light"},
		small(nil),
		small(map[string]any{"minibatch": false, "num_trials": 15}),
		small(map[string]any{"max_bootstrapped_demos": 0, "max_labeled_demos": 0}),
		small(map[string]any{"metric_threshold": 1.0, "max_labeled_demos": 0}),
		small(map[string]any{"tip_aware_proposer": false, "view_data_batch_size": 3}),
		small(map[string]any{"program_aware_proposer": false, "max_labeled_demos": 6}),
		small(map[string]any{"data_aware_proposer": false, "fewshot_aware_proposer": false, "max_bootstrapped_demos": 2}),
		{"auto": "light", "max_bootstrapped_demos": 0, "max_labeled_demos": 0, "init_temperature": 0.5},
		small(map[string]any{"num_candidates": 9, "num_trials": 24, "minibatch_full_eval_steps": 6}),
	}
	all := programs(t)
	var list []runJob
	for i, p := range []*prompt.Program{all[0], all[2], all[3], typed(t)} {
		if i == 3 {
			variants = variants[:4]
		}
		for seed, variant := range variants {
			settings := map[string]any{"seed": seed + 1}
			maps.Copy(settings, variant)
			job := runJob{
				Name: fmt.Sprintf("program %d, seed %d", i+1, seed+1), Program: p, Source: p.Source(),
				Train: examples(uint64(100*i+seed), 26), Val: examples(uint64(1000+100*i+seed), 24),
				Metric: json.RawMessage(metrics[min(i, 2)]), Settings: settings,
			}
			if variant["auto"] == "light" {
				job.Train, job.Val = examples(uint64(seed), 80), nil // from which it splits off the validation examples
			}
			for _, f := range p.Inputs() {
				job.Inputs = append(job.Inputs, f.Name)
			}
			list = append(list, job)
		}
	}
	return list
}

// stage is the interface of the three stages.
type stage interface {
	Calls() []mipro.Call
	Take(id string, answer mipro.Answer) error
}

// play answers the calls of a stage with the answers that DSPy's model gave to the same
// calls, in a random order.
func play(t *testing.T, s stage, known map[string]string, rng *rand.Rand, calls *int) {
	t.Helper()
	for {
		needed := s.Calls()
		if len(needed) == 0 {
			return
		}
		rng.Shuffle(len(needed), func(i, j int) { needed[i], needed[j] = needed[j], needed[i] })
		for _, call := range needed[:1+rng.IntN(len(needed))] {
			text, ok := known[question(t, call.Request.Messages, call.Rollout, call.Temperature)]
			require.True(t, ok, "%s: DSPy did not make the call %s", call.ID, call.Request.Messages[len(call.Request.Messages)-1].Content)
			require.NoError(t, s.Take(call.ID, mipro.Answer{Text: text}))
			*calls++
		}
	}
}

func question(t *testing.T, messages []prompt.Message, rollout int64, temperature *float64) string {
	t.Helper()
	text, err := json.Marshal([]any{messages, rollout, temperature})
	require.NoError(t, err)
	return string(text)
}

// TestMIPRO: whole runs, with the same scripted model for both.
func TestMIPRO(t *testing.T) {
	t.Parallel()
	list := jobs(t)
	stdin, err := json.Marshal(list)
	require.NoError(t, err)
	var results []runResult
	ask(t, &results, stdin, "mipro.py")
	require.Len(t, results, 34)
	for i, job := range list {
		t.Run(job.Name, func(t *testing.T) {
			t.Parallel()
			compareRun(t, job, results[i])
		})
	}
}

func compareRun(t *testing.T, job runJob, want runResult) {
	t.Helper()
	var settings mipro.Settings
	text, err := json.Marshal(job.Settings)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &settings))
	m, err := metric.Read(job.Metric, job.Program, job.Train[0].Keys())
	require.NoError(t, err)
	plan, err := mipro.NewPlan(&mipro.Job{Settings: settings, Program: job.Program, Train: job.Train, Val: job.Val, Metric: m})
	require.NoError(t, err)
	known := map[string]string{}
	for _, a := range want.Answers {
		rollout := int64(0)
		if a.Rollout != nil {
			rollout = *a.Rollout
		}
		known[question(t, a.Messages, rollout, a.Temperature)] = a.Text
	}
	rng := rand.New(rand.NewPCG(1, 2))
	calls := 0

	boot := bootstrap.New(plan)
	play(t, boot, known, rng, &calls)
	require.Equal(t, dumps(t, want.Sets), dumps(t, boot.Sets()), "demo sets")
	proposing := propose.New(plan, boot.Sets())
	play(t, proposing, known, rng, &calls)
	require.Equal(t, want.Instructions, proposing.Instructions(), "instructions")
	searching, err := search.New(plan, boot.Sets(), proposing.Instructions(), nil)
	require.NoError(t, err)
	play(t, searching, known, rng, &calls)

	require.LessOrEqual(t, calls, len(want.Answers), "calls that DSPy does not make")
	drawn := want.Drawn
	if settings.Auto != "none" {
		drawn = drawn[1:] // the validation examples, which the calls must not show
	}
	require.Len(t, searching.Trials(), len(want.Trials))
	for k, trial := range searching.Trials() {
		require.Equal(t, want.Trials[k].Choice, trial.Choice, "trial %d", k)
		require.InDelta(t, want.Trials[k].Value, trial.Score, 0, "trial %d", k)
		if trial.Kind == search.SearchTrial && len(trial.Rows) < len(plan.Val) {
			require.Equal(t, drawn[0], trial.Rows, "minibatch of trial %d", k)
			drawn = drawn[1:]
		}
	}
	require.Empty(t, drawn)
	best, trial := searching.Best()
	require.InDelta(t, want.Score, trial.Score, 0)
	require.Equal(t, want.State, python.Dumps(best.State()), "the program")

	t.Logf("%d equal trials, %d calls (DSPy: %d); score from %.2f to %.2f", len(want.Trials), calls, len(want.Answers),
		searching.Trials()[0].Score, trial.Score)

	half := searching.Trials()[:len(searching.Trials())/2]
	again, err := search.New(plan, boot.Sets(), proposing.Instructions(), half)
	require.NoError(t, err)
	play(t, again, known, rng, &calls)
	require.Equal(t, searching.Trials(), again.Trials(), "resumed in the middle")
}

func dumps(t *testing.T, sets [][][]*prompt.Object) string {
	t.Helper()
	text := ""
	for p, ofPredictor := range sets {
		for i, set := range ofPredictor {
			for _, demo := range set {
				text += fmt.Sprintf("%d/%d %s\n", p, i, python.Dumps(demo))
			}
		}
	}
	return text
}
