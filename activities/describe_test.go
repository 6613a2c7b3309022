package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// byTokens is a describer whose model "tokens" is charged by tokens.
type byTokens struct{ Describer }

func (byTokens) Reserve(s video.Stage) (int64, bool) { return 5625, s.Model == "tokens" }

// TestDescribeCost: what a recipe says is an estimate where tokens are what is
// charged: one of a former build is too low.
func TestDescribeCost(t *testing.T) {
	t.Parallel()
	a := &Ingest{Describer: byTokens{}}
	require.EqualValues(t, 5625, a.describeCost(video.Stage{Model: "tokens", CostMicroUSD: 710}))
	require.EqualValues(t, 710, a.describeCost(video.Stage{Model: "call", CostMicroUSD: 710}))
	a.Describer = struct{ Describer }{}
	require.EqualValues(t, 710, a.describeCost(video.Stage{Model: "tokens", CostMicroUSD: 710}))
}
