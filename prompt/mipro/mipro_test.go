package mipro_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

const twoSteps = `{"name": "p", "predictors": [
	{"name": "route", "module": "chain_of_thought", "inputs": [{"name": "query"}], "outputs": [{"name": "agent"}]},
	{"name": "reply", "inputs": [{"name": "query"}, {"name": "agent"}], "outputs": [{"name": "answer"}]}]}`

const oneStep = `{"name": "p", "predictors": [{"name": "self", "inputs": [{"name": "query"}], "outputs": [{"name": "answer"}]}]}`

func job(t *testing.T, program, settings string) *mipro.Job {
	t.Helper()
	p, err := prompt.Read([]byte(program))
	require.NoError(t, err)
	m, err := metric.Read([]byte(`{"kind": "exact", "field": "answer"}`), p, []string{"query", "answer"})
	require.NoError(t, err)
	j := &mipro.Job{Program: p, Metric: m}
	require.NoError(t, json.Unmarshal([]byte(settings), &j.Settings))
	for i := range 40 {
		row := python.NewObject("query", fmt.Sprintf("topic %d", i), "answer", fmt.Sprint(i%3))
		if i < 20 {
			j.Train = append(j.Train, row)
		} else {
			j.Val = append(j.Val, row)
		}
	}
	return j
}

const small = `{"auto": "none", "num_candidates": 4, "num_trials": 9, "minibatch_size": 6, "minibatch_full_eval_steps": 4}`

// model answers by a fixed function of the question, but never readably when it
// is asked for the output named refuse.
func model(call mipro.Call, refuse string) string {
	h := fnv.New64a()
	fmt.Fprint(h, call.Request.Messages, call.Rollout)
	n := h.Sum64()
	last := call.Request.Messages[len(call.Request.Messages)-1].Content
	wanted := last[strings.LastIndex(last, "Respond with"):]
	if refuse != "" && (strings.Contains(wanted, "`[[ ## "+refuse+" ## ]]`") || strings.Contains(wanted, "`"+refuse+"`")) {
		return "no"
	}
	values := &prompt.Object{}
	for _, m := range regexp.MustCompile("`(?:\\[\\[ ## )?(\\w+)(?: ## \\]\\])?`").FindAllStringSubmatch(wanted, -1) {
		if m[1] == "answer" {
			topic := 0
			if match := regexp.MustCompile(`topic (\d+)`).FindAllStringSubmatch(last, -1); match != nil {
				topic, _ = strconv.Atoi(match[0][1])
			}
			values.Set("answer", fmt.Sprint((topic+int(n%3)/2)%3))
		} else if m[1] != "completed" {
			values.Set(m[1], fmt.Sprintf("Text %d", n%1000))
		}
	}
	if strings.Contains(last, "JSON object") {
		return python.Dumps(values)
	}
	text := ""
	for _, k := range values.Keys() {
		v, _ := values.Get(k)
		text += fmt.Sprintf("[[ ## %s ## ]]\n%v\n\n", k, v)
	}
	return text
}

type stage interface {
	Calls() []mipro.Call
	Take(id string, answer mipro.Answer) error
}

// play answers a stage in an order that depends on seed, and counts the calls.
func play(t *testing.T, s stage, seed uint64, refuse string) int {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	asked := map[string]bool{}
	for calls := s.Calls(); len(calls) > 0; calls = s.Calls() {
		rng.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
		for _, call := range calls[:1+rng.IntN(len(calls))] {
			require.False(t, asked[call.ID], "asked twice: %s", call.ID)
			asked[call.ID] = true
			require.NoError(t, s.Take(call.ID, mipro.Answer{Text: model(call, refuse)}))
			require.Error(t, s.Take(call.ID, mipro.Answer{}), "an answer is taken once")
		}
	}
	return len(asked)
}

type outcome struct {
	sets         string
	instructions [][]string
	trials       []mipro.Trial
	program      string
	calls        int
}

func run(t *testing.T, j *mipro.Job, seed uint64, refuse string) outcome {
	t.Helper()
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	boot := mipro.NewBootstrap(plan)
	calls := play(t, boot, seed, refuse)
	propose := mipro.NewPropose(plan, boot.Sets())
	calls += play(t, propose, seed, refuse)
	search, err := mipro.NewSearch(plan, boot.Sets(), propose.Instructions(), nil)
	require.NoError(t, err)
	calls += play(t, search, seed, refuse)
	best, _ := search.Best()
	sets, err := json.Marshal(boot.Sets())
	require.NoError(t, err)
	return outcome{string(sets), propose.Instructions(), search.Trials(), string(best.File()), calls}
}

// TestOrderOfAnswers: whatever comes back first, the run is the same.
func TestOrderOfAnswers(t *testing.T) {
	t.Parallel()
	for _, program := range []string{oneStep, twoSteps} {
		first := run(t, job(t, program, small), 1, "")
		require.Equal(t, first, run(t, job(t, program, small), 2, ""))
		require.Equal(t, first, run(t, job(t, program, small), 3, ""))
		require.Greater(t, len(first.trials), 10)
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	j := job(t, twoSteps, small)
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	boot := mipro.NewBootstrap(plan)
	play(t, boot, 1, "")
	propose := mipro.NewPropose(plan, boot.Sets())
	play(t, propose, 1, "")
	search, err := mipro.NewSearch(plan, boot.Sets(), propose.Instructions(), nil)
	require.NoError(t, err)
	play(t, search, 1, "")
	for n := range search.Trials() {
		text, err := json.Marshal(search.Trials()[:n]) // as a workflow keeps them
		require.NoError(t, err)
		var made []mipro.Trial
		require.NoError(t, json.Unmarshal(text, &made))
		again, err := mipro.NewSearch(plan, boot.Sets(), propose.Instructions(), made)
		require.NoError(t, err)
		play(t, again, uint64(n), "")
		require.Equal(t, search.Trials(), again.Trials())
	}
	other := search.Trials()[:2]
	other[1].Rows = []int{0}
	_, err = mipro.NewSearch(plan, boot.Sets(), propose.Instructions(), other)
	require.ErrorContains(t, err, "trial 1 is not of this search")
}

// TestMended: where DSPy stops with an error, a run goes on.
func TestMended(t *testing.T) {
	t.Parallel()
	t.Run("labels without bootstrapped demos", func(t *testing.T) {
		t.Parallel()
		got := run(t, job(t, twoSteps, small[:len(small)-1]+`, "max_bootstrapped_demos": 0}`), 1, "")
		require.NotContains(t, got.sets, "augmented")
		var sets [][][]*prompt.Object
		require.NoError(t, json.Unmarshal([]byte(got.sets), &sets))
		require.Len(t, sets[0][3], 4)
	})
	t.Run("every combination has its full evaluation", func(t *testing.T) {
		t.Parallel()
		j := job(t, oneStep, `{"auto": "none", "num_candidates": 1, "num_trials": 12, "minibatch_size": 5, "minibatch_full_eval_steps": 2}`)
		got := run(t, j, 1, "")
		full := 0
		for _, trial := range got.trials {
			if trial.Kind == mipro.FullTrial {
				full++
			}
		}
		require.Equal(t, 1, full)
		require.Len(t, got.trials, 1+12+1)
	})
	t.Run("the proposer refuses", func(t *testing.T) {
		t.Parallel()
		got := run(t, job(t, oneStep, small), 1, "proposed_instruction")
		require.Len(t, got.instructions[0], 4)
		for _, instruction := range got.instructions[0] {
			require.Equal(t, "Given the fields `query`, produce the fields `answer`.", instruction)
		}
	})
	t.Run("the student never answers", func(t *testing.T) {
		t.Parallel()
		got := run(t, job(t, oneStep, small), 1, "answer")
		for _, trial := range got.trials {
			require.Zero(t, trial.Score)
		}
		require.Equal(t, string(job(t, oneStep, small).Program.File()), got.program, "the default survives unless beaten")
	})
	for _, refuse := range []string{"observations", "summary", "program_description", "module_description"} {
		t.Run("no "+refuse, func(t *testing.T) {
			t.Parallel()
			got, want := run(t, job(t, twoSteps, small), 1, refuse), run(t, job(t, twoSteps, small), 1, "")
			require.Len(t, got.instructions[1], 4)
			require.NotEqual(t, want.instructions, got.instructions, "they are written from less")
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
		{oneStep, "light", false, 10},
		{oneStep, "light", true, 9},
		{twoSteps, "light", false, 20},
		{oneStep, "medium", false, 18},
		{oneStep, "heavy", true, 27},
		{twoSteps, "heavy", false, 33},
	} {
		settings := fmt.Sprintf(`{"auto": %q}`, c.auto)
		if c.zero {
			settings = fmt.Sprintf(`{"auto": %q, "max_bootstrapped_demos": 0, "max_labeled_demos": 0}`, c.auto)
		}
		plan, err := mipro.NewPlan(job(t, c.program, settings))
		require.NoError(t, err)
		require.Equal(t, c.want, plan.Trials)
		require.Zero(t, plan.Minibatch, "20 examples are scored all at once")
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		`{"auto": "lite"}`:  `auto is "lite"`,
		`{"auto": "none"}`:  "both needed",
		`{"num_trials": 5}`: "leave them out",
		`{"auto": "none", "num_candidates": 9999, "num_trials": 1}`: "at most 1000",
		`{"max_labeled_demos": -1}`:                                 "from 0 to 1000",
		`{"metric_threshold": -1}`:                                  "not below 0",
		`{"seed": -1}`:                                              "seed is -1",
		`{"init_temperature": 9}`:                                   "init_temperature is 9",
		`{"auto": "none", "num_candidates": 2, "num_trials": 2}`:    "a minibatch has 35 examples and the validation set only 20",
	} {
		_, err := mipro.NewPlan(job(t, oneStep, settings))
		require.ErrorContains(t, err, want, settings)
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
	change := func(f func(j *mipro.Job)) error {
		j := job(t, oneStep, "{}")
		f(j)
		_, err := mipro.NewPlan(j)
		return err
	}
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Train = nil }), "training set is empty")
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Train, j.Val = j.Train[:1], nil }), "it needs two")
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Val = []*prompt.Object{} }), "validation set is empty")
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Metric = nil }), "needs a program and a metric")
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Teacher = job(t, twoSteps, "{}").Program }), "the teacher has 2 predictors")
	require.ErrorContains(t, change(func(j *mipro.Job) { j.Val[3] = python.NewObject("answer", "1") }), `validation example 4 lacks the program's input "query"`)
}

// TestQuote: the figures of the reference, and never less than what is used.
func TestQuote(t *testing.T) {
	t.Parallel()
	j := job(t, oneStep, "{}")
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
	j = job(t, twoSteps, small)
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	q := plan.Quote()
	require.LessOrEqual(t, run(t, j, 1, "").calls, q.Student+q.Teacher+q.Proposer)
	require.LessOrEqual(t, run(t, j, 1, "answer").calls, q.Student+q.Teacher+q.Proposer+q.Retries)
	require.Zero(t, q.Judge)
}

// TestCommandMetric: a command's score is asked for like an answer.
func TestCommandMetric(t *testing.T) {
	t.Parallel()
	j := job(t, oneStep, small)
	var err error
	j.Metric, err = metric.Read([]byte(`{"kind": "command", "command": "grade"}`), j.Program, nil)
	require.NoError(t, err)
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	search, err := mipro.NewSearch(plan, [][][]*prompt.Object{{nil}}, [][]string{{"only"}}, nil)
	require.NoError(t, err)
	call := search.Calls()[0]
	require.NoError(t, search.Take(call.ID, mipro.Answer{Text: model(call, "")}))
	graded := search.Calls()[0]
	require.Equal(t, mipro.Command, graded.Role)
	require.Equal(t, "grade", graded.Command)
	require.NotNil(t, graded.Outputs)
	require.NoError(t, search.Take(graded.ID, mipro.Answer{Score: 0.5}))
	require.Len(t, search.Calls(), 19)
}
