package tpe_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/tpe"
)

// TestGolden compares with suggestions of Optuna, in a file of prompt/conformance.
func TestGolden(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/tpe.json")
	require.NoError(t, err)
	var cases []struct {
		Seed      uint32      `json:"seed"`
		Params    []tpe.Param `json:"params"`
		Trials    []tpe.Trial `json:"trials"`
		Suggested []tpe.Trial `json:"suggested"`
	}
	require.NoError(t, json.Unmarshal(text, &cases))
	require.NotEmpty(t, cases)
	for _, c := range cases {
		study, err := tpe.Resume(tpe.State{Seed: c.Seed}, c.Params, c.Trials)
		require.NoError(t, err)
		require.Equal(t, c.Suggested[0].Choice, study.Suggest(), "seed %d", c.Seed)
	}
}

// TestFindsTheBest: a study finds a known best choice far sooner than random search.
func TestFindsTheBest(t *testing.T) {
	t.Parallel()
	params := []tpe.Param{{Name: "a", Choices: 8}, {Name: "b", Choices: 8}}
	found := 0
	for seed := range uint32(20) {
		study, err := tpe.New(seed, params)
		require.NoError(t, err)
		for range 40 {
			c := study.Suggest()
			value := -math.Abs(float64(c["a"]-5)) - math.Abs(float64(c["b"]-2))
			require.NoError(t, study.Add(tpe.Trial{Choice: c, Value: value}))
			if value == 0 {
				found++
				break
			}
		}
	}
	require.Greater(t, found, 12, "random search finds it in 9 of 20")
}

func TestBad(t *testing.T) {
	t.Parallel()
	_, err := tpe.New(1, []tpe.Param{{Name: "a"}})
	require.ErrorContains(t, err, "at least one choice")
	study, err := tpe.New(1, []tpe.Param{{Name: "a", Choices: 2}})
	require.NoError(t, err)
	require.ErrorContains(t, study.Add(tpe.Trial{Choice: map[string]int{"a": 2}}), "not one of 2")
	require.ErrorContains(t, study.Add(tpe.Trial{}), "not one of 2")
	require.ErrorContains(t, study.Add(tpe.Trial{Choice: map[string]int{"a": 1}, Value: math.NaN()}), "not a number")
	one, err := tpe.New(1, []tpe.Param{{Name: "a", Choices: 1}})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"a": 0}, one.Suggest())
}
