package mipro_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// simulated is a student whose accuracy is a fixed function of instruction, demo
// set and example: what a choice is really worth is known.
type simulated struct {
	seed                uint64
	instruction, demos  [][]float64   // effects, by predictor
	both                [][][]float64 // by predictor, instruction, demo set
	predictors          int
	instructions        [][]string
	sets                [][][]*prompt.Object
	difficulty, success float64
	job                 *mipro.Job // of the last plan
}

func simulate(seed uint64, predictors int) *simulated {
	const instructions, sets = 3, 6
	rng := rand.New(rand.NewPCG(seed, 7))
	s := &simulated{seed: seed, predictors: predictors, difficulty: 0.25, success: 0.45}
	for p := range predictors {
		effects := func(n int, size float64) []float64 {
			list := make([]float64, n)
			for i := 1; i < n; i++ { // the original has none
				list[i] = size * rng.NormFloat64()
			}
			return list
		}
		s.instruction = append(s.instruction, effects(instructions, 0.06))
		s.demos = append(s.demos, effects(sets, 0.08))
		var both [][]float64
		var texts []string
		for i := range instructions {
			both = append(both, effects(sets, 0.04))
			texts = append(texts, fmt.Sprintf("instruction %d of %d", i, p))
		}
		s.both = append(s.both, both)
		s.instructions = append(s.instructions, texts)
		var all [][]*prompt.Object
		for d := range sets {
			all = append(all, []*prompt.Object{python.NewObject("query", fmt.Sprintf("set %d of %d", d, p), "agent", "x", "answer", "y")})
		}
		s.sets = append(s.sets, all)
	}
	return s
}

func (s *simulated) effect(p, i, d int) float64 {
	return s.instruction[p][i] + s.demos[p][d] + s.both[p][i][d]
}

// uniform is a number from 0 to 1 that belongs to its arguments.
func (s *simulated) uniform(of ...any) float64 {
	h := fnv.New64a()
	fmt.Fprint(h, append([]any{s.seed}, of...)...)
	return float64(rand.New(rand.NewPCG(h.Sum64(), 3)).Uint64()>>11) / (1 << 53)
}

func (s *simulated) right(effects float64, key string, row int) bool {
	chance := s.success + effects + s.difficulty*(2*s.uniform("difficulty", row)-1)
	return s.uniform("luck", key, row) < min(max(chance, 0.02), 0.98)
}

// worth is the accuracy of a choice on examples that no search ever saw.
func (s *simulated) worth(choice map[string]int) float64 {
	effects := 0.0
	for p := range s.predictors {
		effects += s.effect(p, choice[fmt.Sprintf("%d_predictor_instruction", p)], choice[fmt.Sprintf("%d_predictor_demos", p)])
	}
	sum := 0.0
	for row := range 500 {
		sum += min(max(s.success+effects+s.difficulty*(2*s.uniform("difficulty", 1_000_000+row)-1), 0.02), 0.98)
	}
	return sum / 500
}

var (
	instructionUsed = regexp.MustCompile(`instruction (\d+) of (\d+)`)
	setUsed         = regexp.MustCompile(`set (\d+) of \d+`)
	rowAsked        = regexp.MustCompile(`row (\d+)`)
	pathAsked       = regexp.MustCompile(`path ((?:\d+-\d+,)*)`)
)

func digits(text string) int {
	n, _ := strconv.Atoi(text) // of what a pattern found
	return n
}

// answer plays the student: every predictor passes on what was chosen so far, and
// the last is right or wrong by all of it.
func (s *simulated) answer(call mipro.Call) string {
	var p, i, d, row int
	system, last := call.Request.Messages[0].Content, call.Request.Messages[len(call.Request.Messages)-1].Content
	if m := instructionUsed.FindStringSubmatch(system); m != nil {
		i, p = digits(m[1]), digits(m[2])
	} else if strings.Contains(system, "produce the fields `answer`") {
		p = s.predictors - 1 // the original instruction
	}
	if m := setUsed.FindStringSubmatch(fmt.Sprint(call.Request.Messages)); m != nil {
		d = digits(m[1])
	}
	row = digits(rowAsked.FindStringSubmatch(last)[1])
	path := ""
	if m := pathAsked.FindStringSubmatch(last); m != nil {
		path = m[1]
	}
	path += fmt.Sprintf("%d-%d,", i, d)
	if p < s.predictors-1 {
		return "[[ ## reasoning ## ]]\nr\n[[ ## agent ## ]]\npath " + path
	}
	effects := 0.0
	for q, step := range strings.Split(strings.TrimSuffix(path, ","), ",") {
		i, d, _ := strings.Cut(step, "-")
		effects += s.effect(q, digits(i), digits(d))
	}
	if s.right(effects, path, row) {
		return "[[ ## answer ## ]]\nright"
	}
	return "[[ ## answer ## ]]\nwrong"
}

func (s *simulated) plan(t *testing.T) *mipro.Plan {
	t.Helper()
	program := oneStep
	if s.predictors == 2 {
		program = twoSteps
	}
	j := job(t, program, fmt.Sprintf(`{"seed": %d}`, s.seed+1))
	j.Train, j.Val = nil, nil
	for row := range 140 {
		example := python.NewObject("query", fmt.Sprintf("row %d", row), "answer", "right")
		if j.Train = append(j.Train, example); row < 40 {
			continue
		}
		j.Val = append(j.Val, example)
	}
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	s.job = j
	require.Len(t, plan.Val, 100)
	require.Equal(t, 35, plan.Minibatch)
	return plan
}

func (s *simulated) play(t *testing.T, stage stage) (runs int) {
	t.Helper()
	for calls := stage.Calls(); len(calls) > 0; calls = stage.Calls() {
		for _, call := range calls {
			require.NoError(t, stage.Take(call.ID, mipro.Answer{Text: s.answer(call)}))
			runs++
		}
	}
	return runs / s.predictors
}

// TestRaceBeatsSearch: at equal and at half the calls of DSPy's own search, on
// students whose best choice is known.
func TestRaceBeatsSearch(t *testing.T) {
	t.Parallel()
	for _, predictors := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d predictors", predictors), func(t *testing.T) {
			t.Parallel()
			var original, search, race, half, best float64
			worse := 0
			const seeds = 20
			for seed := range uint64(seeds) {
				s := simulate(seed, predictors)
				plan := s.plan(t)
				compat, err := mipro.NewSearch(plan, s.sets, s.instructions, nil)
				require.NoError(t, err)
				calls := s.play(t, compat)
				_, chosen := compat.Best()
				search += s.worth(chosen.Choice)

				full, err := mipro.NewRace(plan, s.sets, s.instructions, calls, nil)
				require.NoError(t, err)
				require.LessOrEqual(t, s.play(t, full), calls)
				_, choice := full.Best()
				race += s.worth(choice)
				if s.worth(choice) < s.worth(full.Trials()[0].Choice) {
					worse++
				}
				cheap, err := mipro.NewRace(plan, s.sets, s.instructions, calls/2, nil)
				require.NoError(t, err)
				require.LessOrEqual(t, s.play(t, cheap), calls/2)
				_, choice = cheap.Best()
				half += s.worth(choice)
				original += s.worth(full.Trials()[0].Choice)
				best += s.best()
			}
			t.Logf("held-out accuracy: original %.4f, DSPy's search %.4f, race %.4f, race with half the calls %.4f, best %.4f; worse than the original: %d",
				original/seeds, search/seeds, race/seeds, half/seeds, best/seeds, worse)
			require.Greater(t, race, search)
			require.GreaterOrEqual(t, half, search)
		})
	}
}

// best is the worth of the best choice: the best of each predictor's own.
func (s *simulated) best() float64 {
	choice := map[string]int{}
	for p := range s.predictors {
		top := -1.0
		for i := range s.instruction[p] {
			for d := range s.demos[p] {
				if e := s.effect(p, i, d); e > top {
					top = e
					choice[fmt.Sprintf("%d_predictor_instruction", p)], choice[fmt.Sprintf("%d_predictor_demos", p)] = i, d
				}
			}
		}
	}
	return s.worth(choice)
}

// TestRaceKeepsSlotsBusy: on a server of 32 slots, where all answers take equally
// long, races take little longer than their calls alone would.
func TestRaceKeepsSlotsBusy(t *testing.T) {
	t.Parallel()
	waves, answers := 0, 0
	for seed := range uint64(10) {
		s := simulate(seed, 1)
		race, err := mipro.NewRace(s.plan(t), s.sets, s.instructions, 0, nil)
		require.NoError(t, err)
		for calls := race.Calls(); len(calls) > 0; calls = race.Calls() {
			for _, call := range calls[:min(32, len(calls))] {
				require.NoError(t, race.Take(call.ID, mipro.Answer{Text: s.answer(call)}))
				answers++
			}
			waves++
		}
	}
	ratio := float64(waves*32) / float64(answers)
	t.Logf("%d answers in %d waves: %.3f", answers, waves, ratio)
	require.LessOrEqual(t, ratio, 1.08)
}

// TestRaceKnowsCopies: instructions that say the same are one, by the first name.
func TestRaceKnowsCopies(t *testing.T) {
	t.Parallel()
	for _, predictors := range []int{1, 5} { // few choices, and too many to list
		s := simulate(2, predictors)
		s.instructions[0][2] = s.instructions[0][0]
		race, err := mipro.NewRace(s.plan(t), s.sets, s.instructions, 0, nil)
		require.NoError(t, err)
		s.play(t, race)
		require.Greater(t, len(race.Trials()), 10)
		for _, trial := range race.Trials() {
			require.Less(t, trial.Choice["0_predictor_instruction"], 2)
		}
	}
}

// TestRaceInAnyOrder: which answers come first decides nothing.
func TestRaceInAnyOrder(t *testing.T) {
	t.Parallel()
	s := simulate(5, 2)
	plan := s.plan(t)
	race, err := mipro.NewRace(plan, s.sets, s.instructions, 0, nil)
	require.NoError(t, err)
	s.play(t, race)
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 1))
		again, err := mipro.NewRace(plan, s.sets, s.instructions, 0, nil)
		require.NoError(t, err)
		for calls := again.Calls(); len(calls) > 0; calls = again.Calls() {
			call := calls[rng.IntN(len(calls))]
			require.NoError(t, again.Take(call.ID, mipro.Answer{Text: s.answer(call)}))
		}
		require.Equal(t, race.Trials(), again.Trials())
	}
}

func TestRaceResumes(t *testing.T) {
	t.Parallel()
	s := simulate(3, 1)
	plan := s.plan(t)
	race, err := mipro.NewRace(plan, s.sets, s.instructions, 0, nil)
	require.NoError(t, err)
	s.play(t, race)
	_, want := race.Best()
	trials := race.Trials()
	for n := 1; n < len(trials); n++ {
		text, err := json.Marshal(trials[:n])
		require.NoError(t, err)
		var made []mipro.Trial
		require.NoError(t, json.Unmarshal(text, &made))
		again, err := mipro.NewRace(plan, s.sets, s.instructions, 0, made)
		require.NoError(t, err)
		s.play(t, again)
		require.Equal(t, trials, again.Trials())
		_, choice := again.Best()
		require.True(t, maps.Equal(want, choice))
	}
	for _, bad := range []mipro.Trial{
		{Choice: map[string]int{"x": 1}},
		{Choice: map[string]int{"0_predictor_instruction": 3, "0_predictor_demos": 0}},
		{Choice: map[string]int{"0_predictor_instruction": 0, "0_predictor_demos": 0}, Rows: []int{1}},
		{Choice: map[string]int{"0_predictor_instruction": 0, "0_predictor_demos": 0}, Rows: []int{100}, Scores: []float64{1}},
	} {
		_, err := mipro.NewRace(plan, s.sets, s.instructions, 0, []mipro.Trial{bad})
		require.ErrorContains(t, err, "resume race: trial 0")
	}
}
