package fleet

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
)

// TestBest: a server is started where it runs already, and never where it cannot.
func TestBest(t *testing.T) {
	t.Parallel()
	on, err := Best(Servers(hosts(), "qwen"))
	require.NoError(t, err)
	require.Equal(t, "b", on.Host)
	unusable := Server{Host: "c", ModelServer: activities.ModelServer{Server: "qwen", State: StateUnusable, Detail: "it requires GPUs"}}
	on, err = Best([]Server{unusable, Servers(hosts(), "qwen")[0]})
	require.NoError(t, err)
	require.Equal(t, "a", on.Host)
	_, err = Best([]Server{unusable})
	require.ErrorContains(t, err, "it requires GPUs")
}

func TestReleased(t *testing.T) {
	t.Parallel()
	require.Equal(t, activities.ReleasedServer{Host: "a", Was: StateBusy, Cut: 3},
		Released([]activities.ReleasedServer{{Host: "a", Was: StateReady, Cut: 1}, {Host: "a", Was: StateBusy, Cut: 2}}))
}
