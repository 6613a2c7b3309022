package search_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
)

// TestRaceBeatsSearch: with as many and with half as many calls as DSPy's search, on
// simulated students whose best choice is known.
func TestRaceBeatsSearch(t *testing.T) {
	t.Parallel()
	for _, predictors := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d predictors", predictors), func(t *testing.T) {
			t.Parallel()
			var original, compat, race, half, best float64
			worse := 0
			const seeds = 20
			for seed := range uint64(seeds) {
				s := miprotest.Simulate(seed, predictors)
				plan := s.Plan(t)
				dspy, err := search.New(plan, s.Sets, s.Instructions, nil)
				require.NoError(t, err)
				calls := s.Play(t, dspy)
				_, chosen := dspy.Best()
				compat += s.Worth(chosen.Choice)

				full, err := search.NewRace(plan, s.Sets, s.Instructions, calls, nil)
				require.NoError(t, err)
				require.LessOrEqual(t, s.Play(t, full), calls)
				_, choice := full.Best()
				race += s.Worth(choice)
				if s.Worth(choice) < s.Worth(full.Trials()[0].Choice) {
					worse++
				}
				cheap, err := search.NewRace(plan, s.Sets, s.Instructions, calls/2, nil)
				require.NoError(t, err)
				require.LessOrEqual(t, s.Play(t, cheap), calls/2)
				_, choice = cheap.Best()
				half += s.Worth(choice)
				original += s.Worth(full.Trials()[0].Choice)
				best += s.Best()
			}
			t.Logf("held-out accuracy: original %.4f, DSPy's search %.4f, race %.4f, race with half the calls %.4f, best %.4f; worse than the original: %d",
				original/seeds, compat/seeds, race/seeds, half/seeds, best/seeds, worse)
			require.Greater(t, race, compat)
			require.GreaterOrEqual(t, half, compat)
		})
	}
}

// TestRaceKeepsSlotsBusy: on a server with 32 slots and equal latencies, a race uses nearly
// all slots.
func TestRaceKeepsSlotsBusy(t *testing.T) {
	t.Parallel()
	waves, answers := 0, 0
	for seed := range uint64(10) {
		s := miprotest.Simulate(seed, 1)
		race, err := search.NewRace(s.Plan(t), s.Sets, s.Instructions, 0, nil)
		require.NoError(t, err)
		for calls := race.Calls(); len(calls) > 0; calls = race.Calls() {
			for _, call := range calls[:min(32, len(calls))] {
				require.NoError(t, race.Take(call.ID, mipro.Answer{Text: s.Answer(call)}))
				answers++
			}
			waves++
		}
	}
	ratio := float64(waves*32) / float64(answers)
	t.Logf("%d answers in %d waves: %.3f", answers, waves, ratio)
	require.LessOrEqual(t, ratio, 1.08)
}

// TestRaceKnowsCopies: equal instructions count as one, under the first name.
func TestRaceKnowsCopies(t *testing.T) {
	t.Parallel()
	for _, predictors := range []int{1, 5} { // few choices, and too many to list
		s := miprotest.Simulate(2, predictors)
		s.Instructions[0][2] = s.Instructions[0][0]
		race, err := search.NewRace(s.Plan(t), s.Sets, s.Instructions, 0, nil)
		require.NoError(t, err)
		s.Play(t, race)
		require.Greater(t, len(race.Trials()), 10)
		for _, trial := range race.Trials() {
			require.Less(t, trial.Choice["0_predictor_instruction"], 2)
		}
	}
}

// TestRaceInAnyOrder: the order of the answers does not change the result.
func TestRaceInAnyOrder(t *testing.T) {
	t.Parallel()
	s := miprotest.Simulate(5, 2)
	plan := s.Plan(t)
	race, err := search.NewRace(plan, s.Sets, s.Instructions, 0, nil)
	require.NoError(t, err)
	s.Play(t, race)
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 1))
		again, err := search.NewRace(plan, s.Sets, s.Instructions, 0, nil)
		require.NoError(t, err)
		for calls := again.Calls(); len(calls) > 0; calls = again.Calls() {
			call := calls[rng.IntN(len(calls))]
			require.NoError(t, again.Take(call.ID, mipro.Answer{Text: s.Answer(call)}))
		}
		require.Equal(t, race.Trials(), again.Trials())
	}
}

func TestRaceResumes(t *testing.T) {
	t.Parallel()
	s := miprotest.Simulate(3, 1)
	plan := s.Plan(t)
	race, err := search.NewRace(plan, s.Sets, s.Instructions, 0, nil)
	require.NoError(t, err)
	s.Play(t, race)
	_, want := race.Best()
	trials := race.Trials()
	for n := 1; n < len(trials); n++ {
		text, err := json.Marshal(trials[:n])
		require.NoError(t, err)
		var made []search.Trial
		require.NoError(t, json.Unmarshal(text, &made))
		again, err := search.NewRace(plan, s.Sets, s.Instructions, 0, made)
		require.NoError(t, err)
		s.Play(t, again)
		require.Equal(t, trials, again.Trials())
		_, choice := again.Best()
		require.True(t, maps.Equal(want, choice))
	}
	for _, bad := range []search.Trial{
		{Choice: map[string]int{"x": 1}},
		{Choice: map[string]int{"0_predictor_instruction": 3, "0_predictor_demos": 0}},
		{Choice: map[string]int{"0_predictor_instruction": 0, "0_predictor_demos": 0}, Rows: []int{1}},
		{Choice: map[string]int{"0_predictor_instruction": 0, "0_predictor_demos": 0}, Rows: []int{100}, Scores: []float64{1}},
	} {
		_, err := search.NewRace(plan, s.Sets, s.Instructions, 0, []search.Trial{bad})
		require.ErrorContains(t, err, "resume race: trial 0")
	}
}
