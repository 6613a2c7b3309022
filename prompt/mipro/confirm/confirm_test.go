package confirm_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/confirm"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/prompt/python"
)

func unseen(n int) []*prompt.Object {
	var rows []*prompt.Object
	for i := range n {
		rows = append(rows, python.NewObject("query", fmt.Sprintf("row %d", 5000+i), "answer", "right"))
	}
	return rows
}

// TestConfirmation: a program that is much better is promoted after few rows. One that is
// worse stops early. One that is a little better needs more rows.
func TestConfirmation(t *testing.T) {
	t.Parallel()
	promoted, asked := map[string]int{}, map[string]int{}
	const runs = 20
	for seed := range uint64(runs) {
		for name, gain := range map[string]float64{"better": 0.25, "a little better": 0.12, "worse": -0.1} {
			s := miprotest.Simulate(seed, 1)
			plan := s.Plan(t)
			confirmation := confirm.New(plan, s.Job.Program, s.Rival(gain), unseen(128), 1000)
			calls := s.Play(t, confirmation)
			v := confirmation.Verdict()
			require.Equal(t, 2*v.Examples, calls)
			require.Len(t, confirmation.Rows(), v.Examples)
			require.Equal(t, 128, v.Planned)
			require.Equal(t, v.Promote, v.Bound > 0 && v.Chance <= v.Level)
			if v.Promote {
				promoted[name]++
			}
			asked[name] += v.Examples
		}
	}
	t.Logf("of %d promoted: %v; rows: %v", runs, promoted, asked)
	require.Greater(t, promoted["better"], 17)
	require.Less(t, promoted["a little better"], promoted["better"])
	require.Zero(t, promoted["worse"])
	require.Less(t, asked["better"], asked["a little better"])
	require.Less(t, asked["worse"], asked["a little better"])
	require.Less(t, asked["a little better"], runs*120)
}

// TestConfirmationResumes: a repeated confirmation makes the same calls and has the same
// result, in any order of the answers.
func TestConfirmationResumes(t *testing.T) {
	t.Parallel()
	s := miprotest.Simulate(4, 2)
	plan := s.Plan(t)
	begin := func() *confirm.Confirmation {
		return confirm.New(plan, s.Job.Program, s.Rival(0.15), unseen(100), 180)
	}
	whole := begin()
	answers := map[string]string{}
	for calls := whole.Calls(); len(calls) > 0; calls = whole.Calls() {
		for _, call := range calls {
			answers[call.ID] = s.Answer(call)
			require.NoError(t, whole.Take(call.ID, mipro.Answer{Text: answers[call.ID]}))
		}
	}
	require.Greater(t, whole.Verdict().Examples, 20, "it must have several analyses")
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 1))
		again, taken := begin(), 0
		for calls := again.Calls(); len(calls) > 0; calls = again.Calls() {
			call := calls[rng.IntN(len(calls))]
			require.Contains(t, answers, call.ID)
			require.NoError(t, again.Take(call.ID, mipro.Answer{Text: answers[call.ID]}))
			taken++
		}
		require.Len(t, answers, taken)
		require.Equal(t, whole.Verdict(), again.Verdict())
		require.Equal(t, whole.Rows(), again.Rows())
		before, after := whole.Scores()
		beforeToo, afterToo := again.Scores()
		require.Equal(t, before, beforeToo)
		require.Equal(t, after, afterToo)
	}
}

// TestConfirmationOfFew: too few rows or runs promote nothing.
func TestConfirmationOfFew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rows, runs, asked int }{{0, 100, 0}, {1, 100, 1}, {3, 100, 3}, {40, 0, 0}, {40, -5, 0}, {40, 1, 0}, {40, 7, 3}} {
		s := miprotest.Simulate(1, 1)
		confirmation := confirm.New(s.Plan(t), s.Job.Program, s.Rival(0.5), unseen(c.rows), c.runs)
		require.Equal(t, 2*c.asked, s.Play(t, confirmation))
		v := confirmation.Verdict()
		require.Equal(t, c.asked, v.Examples)
		require.False(t, v.Promote)
		require.GreaterOrEqual(t, v.Bound, -1.0)
	}
	s := miprotest.Simulate(1, 1)
	same := confirm.New(s.Plan(t), s.Job.Program, s.Job.Program, unseen(100), 200)
	s.Play(t, same)
	require.False(t, same.Verdict().Promote)
	require.Less(t, same.Verdict().Examples, 60)
}

func TestSetAside(t *testing.T) {
	t.Parallel()
	var rows []*prompt.Object
	for i := range 25 {
		rows = append(rows, python.NewObject("i", int64(i)))
	}
	for _, c := range []struct{ draws, search int }{{0, 15}, {100, 15}, {20, 15}, {15, 15}, {10, 10}} {
		seen, aside := confirm.SetAside(rows, c.draws, 9)
		require.Len(t, seen, c.search)
		require.ElementsMatch(t, rows, append(seen, aside...))
	}
	seen, aside := confirm.SetAside(rows[:9], 3, 9)
	require.Len(t, seen, 9)
	require.Empty(t, aside)
}
