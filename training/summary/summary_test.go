package summary_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/summary"
)

func TestSamples(t *testing.T) {
	t.Parallel()
	rows := func(values ...float64) (out summary.Evaluated) {
		for i, v := range values {
			out.Rows = append(out.Rows, training.RowValues{Row: i, Values: map[string]float64{"loss": v}})
		}
		return out
	}
	picked := summary.Samples("loss", rows(1, 1, 1, 1, 1, math.NaN()), rows(0.5, 2, 1, 0.9, 1.5, 1), 1)
	require.Equal(t, []summary.Sample{{Row: 0, Base: 1, Best: 0.5}, {Row: 1, Base: 1, Best: 2}}, picked)
	require.Len(t, summary.Samples("loss", rows(1, 1), rows(2, 0), 5), 2)

	best := rows(1, 2, math.NaN(), 0)
	best.Answers = map[int]*training.Answer{1: {Row: 1, Text: "b"}, 2: {Row: 2, Text: "c"}}
	picked = summary.Samples("loss", rows(1, 1, 1, 1), best, 1)
	require.Len(t, picked, 4)
	require.Equal(t, []string{"b", "c"}, []string{picked[0].BestAnswer.Text, picked[1].BestAnswer.Text}, "answered rows come first, in their order")
	require.Equal(t, []int{3, 0}, []int{picked[2].Row, picked[3].Row})
}

func TestMetricsBetter(t *testing.T) {
	t.Parallel()
	value := func(name string, v float64) map[string]float64 { return map[string]float64{name: v} }
	require.True(t, training.MetricsBetter(training.SFT, value("loss", 1), value("loss", 2)))
	require.False(t, training.MetricsBetter(training.SFT, value("loss", 2), value("loss", 2)))
	require.True(t, training.MetricsBetter(training.Embedding, value("accuracy", 0.9), value("accuracy", 0.8)))
	require.True(t, training.MetricsBetter(training.Embedding, value("ndcg", 0.1), nil))
	require.False(t, training.MetricsBetter(training.Embedding, nil, value("ndcg", 0.1)))
	// Runs of an earlier build have no answer_loss.
	both := map[string]float64{"loss": 3, "answer_loss": 1}
	require.True(t, training.MetricsBetter(training.SFT, both, map[string]float64{"loss": 2, "answer_loss": 2}))
	require.False(t, training.MetricsBetter(training.SFT, both, value("loss", 2)))
	require.True(t, training.MetricsBetter(training.SFT, value("loss", 2), both))
}
