package mipro_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/bootstrap"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/prompt/mipro/propose"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/prompt/python"
)

type outcome struct {
	sets         string
	instructions [][]string
	trials       []search.Trial
	program      string
	calls        int
}

func run(t *testing.T, j *mipro.Job, seed uint64, refuse string) outcome {
	t.Helper()
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	boot := bootstrap.New(plan)
	calls := miprotest.Play(t, boot, seed, refuse)
	proposing := propose.New(plan, boot.Sets())
	calls += miprotest.Play(t, proposing, seed, refuse)
	searching, err := search.New(plan, boot.Sets(), proposing.Instructions(), nil)
	require.NoError(t, err)
	calls += miprotest.Play(t, searching, seed, refuse)
	best, _ := searching.Best()
	sets, err := json.Marshal(boot.Sets())
	require.NoError(t, err)
	return outcome{string(sets), proposing.Instructions(), searching.Trials(), string(best.File()), calls}
}

// TestOrderOfAnswers: the order of the answers does not change the run.
func TestOrderOfAnswers(t *testing.T) {
	t.Parallel()
	for _, program := range []string{miprotest.OneStep, miprotest.TwoSteps} {
		first := run(t, miprotest.Job(t, program, miprotest.Small), 1, "")
		require.Equal(t, first, run(t, miprotest.Job(t, program, miprotest.Small), 2, ""))
		require.Equal(t, first, run(t, miprotest.Job(t, program, miprotest.Small), 3, ""))
		require.Greater(t, len(first.trials), 10)
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	j := miprotest.Job(t, miprotest.TwoSteps, miprotest.Small)
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	boot := bootstrap.New(plan)
	miprotest.Play(t, boot, 1, "")
	proposing := propose.New(plan, boot.Sets())
	miprotest.Play(t, proposing, 1, "")
	searching, err := search.New(plan, boot.Sets(), proposing.Instructions(), nil)
	require.NoError(t, err)
	miprotest.Play(t, searching, 1, "")
	for n := range searching.Trials() {
		text, err := json.Marshal(searching.Trials()[:n]) // encoded as in a workflow
		require.NoError(t, err)
		var made []search.Trial
		require.NoError(t, json.Unmarshal(text, &made))
		again, err := search.New(plan, boot.Sets(), proposing.Instructions(), made)
		require.NoError(t, err)
		miprotest.Play(t, again, uint64(n), "")
		require.Equal(t, searching.Trials(), again.Trials())
	}
	other := searching.Trials()[:2]
	other[1].Rows = []int{0}
	_, err = search.New(plan, boot.Sets(), proposing.Instructions(), other)
	require.ErrorContains(t, err, "trial 1 does not belong to this search")
}

// TestContinuesWhereDSPyFails: a run continues where DSPy stops with an error.
func TestContinuesWhereDSPyFails(t *testing.T) {
	t.Parallel()
	t.Run("labels without bootstrapped demos", func(t *testing.T) {
		t.Parallel()
		got := run(t, miprotest.Job(t, miprotest.TwoSteps, miprotest.Small[:len(miprotest.Small)-1]+`, "max_bootstrapped_demos": 0}`), 1, "")
		require.NotContains(t, got.sets, "augmented")
		var sets [][][]*prompt.Object
		require.NoError(t, json.Unmarshal([]byte(got.sets), &sets))
		require.Len(t, sets[0][3], 4)
	})
	t.Run("every combination has a full evaluation", func(t *testing.T) {
		t.Parallel()
		j := miprotest.Job(t, miprotest.OneStep, `{"auto": "none", "num_candidates": 1, "num_trials": 12, "minibatch_size": 5, "minibatch_full_eval_steps": 2}`)
		got := run(t, j, 1, "")
		full := 0
		for _, trial := range got.trials {
			if trial.Kind == search.FullTrial {
				full++
			}
		}
		require.Equal(t, 1, full)
		require.Len(t, got.trials, 1+12+1)
	})
	t.Run("the proposer refuses", func(t *testing.T) {
		t.Parallel()
		got := run(t, miprotest.Job(t, miprotest.OneStep, miprotest.Small), 1, "proposed_instruction")
		require.Len(t, got.instructions[0], 4)
		for _, instruction := range got.instructions[0] {
			require.Equal(t, "Given the fields `query`, produce the fields `answer`.", instruction)
		}
	})
	t.Run("the student gives no valid answer", func(t *testing.T) {
		t.Parallel()
		got := run(t, miprotest.Job(t, miprotest.OneStep, miprotest.Small), 1, "answer")
		for _, trial := range got.trials {
			require.Zero(t, trial.Score)
		}
		require.Equal(t, string(miprotest.Job(t, miprotest.OneStep, miprotest.Small).Program.File()), got.program, "the default must stay best unless another is better")
	})
	for _, refuse := range []string{"observations", "summary", "program_description", "module_description"} {
		t.Run("no "+refuse, func(t *testing.T) {
			t.Parallel()
			got, want := run(t, miprotest.Job(t, miprotest.TwoSteps, miprotest.Small), 1, refuse), run(t, miprotest.Job(t, miprotest.TwoSteps, miprotest.Small), 1, "")
			require.Len(t, got.instructions[1], 4)
			require.NotEqual(t, want.instructions, got.instructions, "instructions are written without the missing parts")
			require.NotContains(t, got.instructions[0][1:], got.instructions[0][0])
		})
	}
}

func TestAutoModes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		program, auto string
		zero          bool
		want          int
	}{
		{miprotest.OneStep, "light", false, 10},
		{miprotest.OneStep, "light", true, 9},
		{miprotest.TwoSteps, "light", false, 20},
		{miprotest.OneStep, "medium", false, 18},
		{miprotest.OneStep, "heavy", true, 27},
		{miprotest.TwoSteps, "heavy", false, 33},
	} {
		settings := fmt.Sprintf(`{"auto": %q}`, c.auto)
		if c.zero {
			settings = fmt.Sprintf(`{"auto": %q, "max_bootstrapped_demos": 0, "max_labeled_demos": 0}`, c.auto)
		}
		plan, err := mipro.NewPlan(miprotest.Job(t, c.program, settings))
		require.NoError(t, err)
		require.Equal(t, c.want, plan.Trials)
		require.Zero(t, plan.Minibatch, "20 examples are scored without minibatches")
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		`{"auto": "lite"}`:  `auto is "lite"`,
		`{"auto": "none"}`:  "both required",
		`{"num_trials": 5}`: "leave them out",
		`{"auto": "none", "num_candidates": 9999, "num_trials": 1}`: "must be at most 1000",
		`{"max_labeled_demos": -1}`:                                 "must be from 0 to 1000",
		`{"metric_threshold": -1}`:                                  "must not be negative",
		`{"seed": -1}`:                                              "seed is -1",
		`{"init_temperature": 9}`:                                   "init_temperature is 9",
		`{"auto": "none", "num_candidates": 2, "num_trials": 2}`:    "a minibatch has 35 examples, but the validation set only 20",
	} {
		_, err := mipro.NewPlan(miprotest.Job(t, miprotest.OneStep, settings))
		require.ErrorContains(t, err, want, settings)
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
	change := func(f func(j *mipro.Job)) error {
		j := miprotest.Job(t, miprotest.OneStep, "{}")
		f(j)
		_, err := mipro.NewPlan(j)
		return err
	}
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Train = nil }), "training set is empty")
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Train, j.Val = j.Train[:1], nil }), "at least two are required")
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Val = []*prompt.Object{} }), "validation set is empty")
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Metric = nil }), "requires a program and a metric")
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Teacher = miprotest.Job(t, miprotest.TwoSteps, "{}").Program }), "the teacher has 2 predictors")
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Val[3] = python.NewObject("answer", "1") }), `validation example 4 lacks the program's input "query"`)
}

// TestQuote: the documented numbers, and never fewer calls than a run makes.
func TestQuote(t *testing.T) {
	t.Parallel()
	j := miprotest.Job(t, miprotest.OneStep, "{}")
	for i := range 460 {
		j.Train = append(j.Train, python.NewObject("query", fmt.Sprintf("topic %d", i+100), "answer", "1"))
	}
	j.Val = nil
	for auto, want := range map[string]int{"light": 100 + 35*10 + 100*2, "medium": 300 + 35*18 + 300*4} {
		j.Settings.Auto = auto
		plan, err := mipro.NewPlan(j)
		require.NoError(t, err)
		require.Equal(t, want, plan.Quote().Student)
		require.Equal(t, 1+9+1+3*(plan.Instructions-1), plan.Quote().Proposer)
	}
	j = miprotest.Job(t, miprotest.TwoSteps, miprotest.Small)
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	q := plan.Quote()
	require.LessOrEqual(t, run(t, j, 1, "").calls, q.Student+q.Teacher+q.Proposer)
	require.LessOrEqual(t, run(t, j, 1, "answer").calls, q.Student+q.Teacher+q.Proposer+q.Retries)
	require.Zero(t, q.Judge)
}
