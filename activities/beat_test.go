package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/video/waits"
)

// TestBeat: a heartbeat has what its activity says first, which builds without a second value
// read alone; heartbeats of such builds say no waits.
func TestBeat(t *testing.T) {
	t.Parallel()
	type progress struct {
		Answered int `json:"answered"`
	}
	said := activities.Beat{
		Waits: []waits.Reason{{Code: waits.Rate, On: "vlm", Text: "429", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Calls: 3}},
		Model: &activities.ModelPace{Model: "vlm", Limit: 4, Flying: 2, Open: 7},
	}
	to := converter.GetDefaultDataConverter()
	both, err := to.ToPayloads(progress{3}, said)
	require.NoError(t, err)
	require.Equal(t, said, activities.ReadBeat(both))
	var first progress
	require.NoError(t, to.FromPayloads(both, &first))
	require.Equal(t, 3, first.Answered)

	nothing, err := to.ToPayloads(nil, said)
	require.NoError(t, err)
	require.Equal(t, said, activities.ReadBeat(nothing), "an activity without details of its own")
	require.NoError(t, to.FromPayloads(nothing, &first))

	one, err := to.ToPayloads(progress{3})
	require.NoError(t, err)
	require.Empty(t, activities.ReadBeat(one))
	require.Empty(t, activities.ReadBeat(nil))
}
