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

// TestTPE: after each of 1,000 random histories, three suggestions in a row.
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
			if s.Extra != nil { // it has the later number
				added = append(added, tpe.Trial{Choice: s.Choice, Value: *s.Extra})
			}
			history = append(history, added...)
			study, err = tpe.Resume(study.State(), c.Params, history) // nothing else is needed to go on
			require.NoError(t, err)
		}
	}
}
