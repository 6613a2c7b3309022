package conformance_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/tpe"
)

type tpeCase struct {
	Seed      uint32      `json:"seed"`
	Params    []tpe.Param `json:"params"`
	Trials    []tpe.Trial `json:"trials"`
	Suggested []struct {
		tpe.Trial
		Extra *float64 `json:"extra,omitempty"`
	} `json:"suggested"`
}

// TestTPE: three consecutive suggestions after each of 1,000 random histories.
func TestTPE(t *testing.T) {
	t.Parallel()
	var cases []tpeCase
	ask(t, &cases, nil, "tpe.py", "1000")
	require.Len(t, cases, 1000)
	golden(t, "tpe.json", cases[:40])
	for _, c := range cases {
		study, err := tpe.Resume(tpe.State{Seed: c.Seed}, c.Params, c.Trials)
		require.NoError(t, err)
		history := c.Trials
		for i, s := range c.Suggested {
			require.Equal(t, s.Choice, study.Suggest(), "seed %d, suggestion %d after %d trials", c.Seed, i+1, len(history))
			added := []tpe.Trial{s.Trial}
			if s.Extra != nil { // it gets the next number
				added = append(added, tpe.Trial{Choice: s.Choice, Value: *s.Extra})
			}
			history = append(history, added...)
			study, err = tpe.Resume(study.State(), c.Params, history) // the numbers are sufficient to continue
			require.NoError(t, err)
		}
	}
}
