package placing

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/placement"
)

// TestDecide asks for workers of the pool of each kind of job.
func TestDecide(t *testing.T) {
	t.Parallel()
	var asked []string
	r := &Rules{
		All: []placement.Rule{
			{Name: "own", When: placement.Condition{Workers: []string{"h100"}}, Use: placement.Choice{Train: []string{"h100"}, Describe: []string{"h100"}}},
			{Name: "many", When: placement.Condition{MinVideos: 3}, Use: placement.Choice{Profile: "cloud"}},
		},
		Workers: func(_ context.Context, pool, class string) (bool, error) {
			asked = append(asked, pool+"-"+class)
			return pool == "train", nil
		},
	}
	d, err := r.Decide(t.Context(), &placement.Facts{Kind: placement.Train})
	require.NoError(t, err)
	require.Equal(t, &placement.Decision{Rule: "own", Train: []string{"h100"}}, d)
	d, err = r.Decide(t.Context(), nil)
	require.NoError(t, err)
	require.Nil(t, d)

	list := func(n int, end error) func(func(string) error) (int, error) {
		return func(yield func(string) error) (int, error) {
			for range n {
				if err := yield("video"); err != nil {
					return 0, err
				}
			}
			return 0, end
		}
	}
	for _, c := range []struct {
		videos, most int
		rule         string
	}{{3, 0, "many"}, {2, 0, ""}, {9, 3, "many"}, {9, 2, ""}} {
		d, err = r.Listed(t.Context(), &placement.Facts{Kind: placement.Ingest}, c.most, list(c.videos, nil))
		require.NoError(t, err)
		require.Equal(t, c.rule, d.Rule, c)
	}
	require.Equal(t, []string{"train-h100", "describe-h100", "describe-h100", "describe-h100", "describe-h100"}, asked)
	_, err = r.Listed(t.Context(), &placement.Facts{Kind: placement.Ingest}, 0, list(1, errors.New("no source")))
	require.ErrorContains(t, err, "no source")

	none := (*Rules)(nil)
	require.False(t, none.Any())
	d, err = none.Listed(t.Context(), &placement.Facts{}, 0, nil)
	require.NoError(t, err)
	require.Nil(t, d)
}
