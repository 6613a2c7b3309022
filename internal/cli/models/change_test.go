package models

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
)

func hosts() []activities.WorkerHost {
	one := func(host, queue string, servers ...activities.ModelServer) activities.WorkerHost {
		return activities.WorkerHost{Host: host, Queue: queue, Class: "l40s", Servers: servers}
	}
	return []activities.WorkerHost{
		one("b", "host/b/1", activities.ModelServer{Server: "qwen", Models: []string{"Qwen2"}, State: fleet.StateReady, Shared: true, Requests: 2, Starts: 1}),
		one("b", "host/b/2", activities.ModelServer{Server: "qwen", Models: []string{"Qwen2"}, State: fleet.StateIdle, Left: 20, Starts: 2, Idle: 3}),
		one("a", "host/a/1",
			activities.ModelServer{Server: "qwen", Models: []string{"Qwen2"}, State: fleet.StateAsleep},
			activities.ModelServer{Server: "other", Models: []string{"o"}, State: fleet.StateBooting, Seconds: 42, Limit: 600}),
	}
}

// TestBest: a server is started where it runs already, and never where it cannot.
func TestBest(t *testing.T) {
	t.Parallel()
	on, err := best(fleet.Servers(hosts(), "qwen"))
	require.NoError(t, err)
	require.Equal(t, "b", on.Host)
	unusable := fleet.Server{Host: "c", ModelServer: activities.ModelServer{Server: "qwen", State: fleet.StateUnusable, Detail: "it requires GPUs"}}
	on, err = best([]fleet.Server{unusable, fleet.Servers(hosts(), "qwen")[0]})
	require.NoError(t, err)
	require.Equal(t, "a", on.Host)
	_, err = best([]fleet.Server{unusable})
	require.ErrorContains(t, err, "it requires GPUs")
}

func TestReleasedOfHost(t *testing.T) {
	t.Parallel()
	require.Equal(t, activities.ReleasedServer{Host: "a", Was: fleet.StateBusy, Cut: 3},
		ofHost([]activities.ReleasedServer{{Host: "a", Was: fleet.StateReady, Cut: 1}, {Host: "a", Was: fleet.StateBusy, Cut: 2}}))
}
