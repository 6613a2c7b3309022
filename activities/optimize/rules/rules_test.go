package rules_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/optimize/rules"
)

// TestRules: a job keeps the rules that it began with, whatever this build's are; a job without
// rules uses those of 5f04396.
func TestRules(t *testing.T) {
	t.Parallel()
	var none rules.Rules
	require.Equal(t, rules.Rules{ReflectExamples: 24, ReflectVariants: 2, Reflections: 1}, none.OrFormer())
	text, err := json.Marshal(struct {
		Rules rules.Rules `json:"rules,omitzero"`
	}{rules.Former().Pinned()})
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(text), "such a job keeps its name")
	text, err = json.Marshal(rules.Improved().Pinned())
	require.NoError(t, err)
	var stored rules.Rules
	require.NoError(t, json.Unmarshal(text, &stored))
	require.Equal(t, rules.Improved(), stored.OrFormer())
}

// TestTrials: the trials have equal shares between the reflections, whose runs count against
// the same budget. A job of an older build has two halves.
func TestTrials(t *testing.T) {
	t.Parallel()
	var former rules.Rules
	require.Equal(t, (650-24)/2, former.Trials(650, 100, 100, 0))
	require.Equal(t, 650-24, former.Trials(650, 100, 100, 1))
	improved, last := rules.Improved(), 0
	for reflections := range 4 {
		runs := improved.Trials(390, 100, 100, reflections)
		require.InDelta(t, (390-48)/4, runs-last, 1)
		last = runs
	}
	require.Equal(t, 390-48, last)
	require.Equal(t, 24, improved.Trials(30, 100, 20, 3), "few runs")
	require.Equal(t, 25, improved.Trials(30, 100, 25, 3), "the original program is scored on all rows")
	require.Equal(t, 30-3*1, improved.Trials(30, 1, 20, 3), "few examples")
}

// TestFewRuns: however few runs a job has, its trials and reflections together take no more, and
// no share is empty: 0 means DSPy's number of runs.
func TestFewRuns(t *testing.T) {
	t.Parallel()
	improved := rules.Improved()
	for val := 1; val <= 12; val++ {
		for train := 1; train <= 12; train++ {
			for trials := 1; trials <= 12; trials++ {
				runs := val * (1 + trials)
				last := 0
				for reflections := range improved.Reflections + 1 {
					share := improved.Trials(runs, train, val, reflections)
					require.GreaterOrEqual(t, share, max(last, 1))
					last = share
				}
				require.LessOrEqual(t, last+improved.Reflections*improved.Rows(runs, train), runs, "%d trials, %d training and %d validation examples", trials, train, val)
			}
		}
	}
}
