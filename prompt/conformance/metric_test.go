package conformance_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/prompt/repair"
)

type draws struct {
	Seed                int64
	N                   int
	Deck, Sample, Small []int
	Int, Choice         int
	Float               float64
}

// TestPieces: thousands of words, random draws and damaged JSON texts.
func TestPieces(t *testing.T) {
	t.Parallel()
	var said struct {
		Pairs []struct {
			Got, Want string
			EM        bool
			F1        float64
		}
		Draws   []draws
		Damaged []struct{ Text, Value string }
	}
	ask(t, &said, nil, "metric.py")
	program, err := prompt.Read([]byte(`{"name": "p", "predictors": [` + qa + `]}`))
	require.NoError(t, err)
	read := func(text string) *metric.Metric {
		m, err := metric.Read([]byte(text), program, []string{"answer"})
		require.NoError(t, err)
		return m
	}
	exact, f1 := read(`{"kind": "exact", "field": "answer", "normalize": true}`), read(`{"kind": "f1", "field": "answer"}`)
	for _, p := range said.Pairs {
		got, want := python.NewObject("answer", p.Got), python.NewObject("answer", p.Want)
		require.Equal(t, p.EM, exact.Start(want, got, prompt.Server{}).Score() == 1, "%q %q", p.Got, p.Want)
		require.InDelta(t, p.F1, f1.Start(want, got, prompt.Server{}).Score(), 0, "%q %q", p.Got, p.Want)
	}
	for _, d := range said.Draws {
		r := python.NewRandom(d.Seed)
		deck := make([]int, d.N)
		for i := range deck {
			deck[i] = i
		}
		r.Shuffle(d.N, func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		got := draws{
			Seed: d.Seed, N: d.N, Deck: deck, Sample: r.Sample(d.N, min(d.N, 35)), Small: r.Sample(d.N, min(d.N, 3)),
			Int: r.Int(0, 1_000_000_000), Choice: r.Choice(6), Float: r.Float(),
		}
		require.Equal(t, d, got)
	}
	require.GreaterOrEqual(t, len(said.Damaged), 3000)
	for _, d := range said.Damaged {
		v, err := repair.Loads(d.Text)
		require.NoError(t, err)
		require.Equal(t, d.Value, python.Dumps(v), "%q", d.Text)
	}
}
