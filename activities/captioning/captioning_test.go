package captioning_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/captioning"
	"github.com/cogniverse/cogflow/video"
)

// byTokens is a describer whose model "tokens" is priced per token.
type byTokens struct{}

func (byTokens) Reserve(s video.Stage, pictures int) (int64, bool) {
	return int64(pictures) * 5625, s.Model == "tokens"
}

// TestCost: for a model that is priced per token, the cost in a recipe is only an
// estimate; that of an earlier build is too low.
func TestCost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		by       any
		stage    video.Stage
		pictures int
		cost     int64
		unpriced bool
	}{
		"by tokens":               {byTokens{}, video.Stage{Model: "tokens", CostMicroUSD: 710}, 1, 5625, false},
		"by tokens, priced since": {byTokens{}, video.Stage{Model: "tokens", Unpriced: true}, 1, 5625, false},
		"several pictures":        {byTokens{}, video.Stage{Model: "tokens", CostMicroUSD: 710}, 4, 4 * 5625, false},
		"by the call":             {byTokens{}, video.Stage{Model: "call", CostMicroUSD: 710}, 1, 710, false},
		"free":                    {byTokens{}, video.Stage{Model: "call"}, 1, 0, false},
		"unpriced":                {byTokens{}, video.Stage{Model: "call", Unpriced: true}, 1, 0, true},
		"knows no tokens":         {nil, video.Stage{Model: "tokens", CostMicroUSD: 710}, 1, 710, false},
	} {
		cost, unpriced := captioning.Cost(c.by, c.stage, c.pictures)
		require.Equal(t, c.cost, cost, name)
		require.Equal(t, c.unpriced, unpriced, name)
	}
}
