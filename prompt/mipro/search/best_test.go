package search

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBestSoFar(t *testing.T) {
	t.Parallel()
	type step struct {
		kind   TrialKind
		choice string
		rows   int
		score  float64
		want   float64
	}
	for name, steps := range map[string][]step{
		"minibatch scores do not count": {{DefaultTrial, "0", 100, 51, 51}, {SearchTrial, "a", 35, 90, 51}, {FullTrial, "a", 100, 60, 60}, {FullTrial, "b", 100, 40, 60}},
		"all rows at once":              {{DefaultTrial, "0", 20, 50, 50}, {SearchTrial, "a", 20, 70, 70}, {SearchTrial, "b", 20, 60, 70}},
		"a race": {
			{DefaultTrial, "0", 16, 10, 10}, {RaceTrial, "a", 16, 90, 90}, {RaceTrial, "b", 16, 80, 90}, {RaceTrial, "b", 4, 100, 84}, {RaceTrial, "a", 4, 70, 86},
		},
		"no rows": {{DefaultTrial, "0", 0, 50, 0}, {RaceTrial, "a", -1, 70, 0}},
	} {
		var best BestSoFar
		for i, x := range steps {
			assert.InDelta(t, x.want, best.Add(x.kind, x.choice, x.rows, x.score), 1e-9, "%s, step %d", name, i)
		}
	}
}
