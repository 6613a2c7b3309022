package ingest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// byTokens is a describer whose model "tokens" is priced per token.
type byTokens struct{ Describer }

func (byTokens) Reserve(s video.Stage) (int64, bool) { return 5625, s.Model == "tokens" }

// TestDescribeCost: for a model that is priced per token, the cost in a recipe is only an
// estimate; that of an earlier build is too low.
func TestDescribeCost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		by       Describer
		stage    video.Stage
		cost     int64
		unpriced bool
	}{
		"by tokens":               {byTokens{}, video.Stage{Model: "tokens", CostMicroUSD: 710}, 5625, false},
		"by tokens, priced since": {byTokens{}, video.Stage{Model: "tokens", Unpriced: true}, 5625, false},
		"by the call":             {byTokens{}, video.Stage{Model: "call", CostMicroUSD: 710}, 710, false},
		"free":                    {byTokens{}, video.Stage{Model: "call"}, 0, false},
		"unpriced":                {byTokens{}, video.Stage{Model: "call", Unpriced: true}, 0, true},
		"knows no tokens":         {struct{ Describer }{}, video.Stage{Model: "tokens", CostMicroUSD: 710}, 710, false},
	} {
		cost, unpriced := (&Activities{Describer: c.by}).describeCost(c.stage)
		require.Equal(t, c.cost, cost, name)
		require.Equal(t, c.unpriced, unpriced, name)
	}
}
