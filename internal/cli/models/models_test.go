package models

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
)

func hosts() []activities.WorkerHost {
	one := func(host, queue string, servers ...activities.ModelServer) activities.WorkerHost {
		return activities.WorkerHost{Host: host, Queue: queue, Class: "l40s", Servers: servers}
	}
	return []activities.WorkerHost{
		one("b", "host/b/1", activities.ModelServer{Server: "qwen", Models: []string{"Qwen2"}, State: stateReady, Shared: true, Requests: 2, Starts: 1}),
		one("b", "host/b/2", activities.ModelServer{Server: "qwen", Models: []string{"Qwen2"}, State: stateIdle, Left: 20, Starts: 2, Idle: 3}),
		one("a", "host/a/1",
			activities.ModelServer{Server: "qwen", Models: []string{"Qwen2"}, State: stateAsleep},
			activities.ModelServer{Server: "other", Models: []string{"o"}, State: stateBooting, Seconds: 42, Limit: 600}),
	}
}

// TestMerge: the processes of a host are one row; what the owner says counts, and requests add up.
func TestMerge(t *testing.T) {
	t.Parallel()
	all := merge(hosts(), "")
	require.Len(t, all, 3)
	require.Equal(t, []string{"other", "qwen", "qwen"}, []string{all[0].Server, all[1].Server, all[2].Server})
	require.Equal(t, "booting, 42s of at most 10m0s", all[0].state())
	require.Equal(t, "asleep", all[1].state())
	require.Equal(t, "busy, 2 requests", all[2].state(), "another process uses it")
	require.Equal(t, 3, all[2].Starts)
	require.Equal(t, []string{"host/b/2", "host/b/1"}, all[2].queues, "the owner is first")
	require.Len(t, merge(hosts(), "Qwen2"), 2)
	require.Empty(t, merge(hosts(), "none"))
}

// TestBest: a server is started where it runs already, and never where it cannot.
func TestBest(t *testing.T) {
	t.Parallel()
	on, err := best(merge(hosts(), "qwen"))
	require.NoError(t, err)
	require.Equal(t, "b", on.Host)
	unusable := server{Host: "c", ModelServer: activities.ModelServer{Server: "qwen", State: stateUnusable, Detail: "it requires GPUs"}}
	on, err = best([]server{unusable, merge(hosts(), "qwen")[0]})
	require.NoError(t, err)
	require.Equal(t, "a", on.Host)
	_, err = best([]server{unusable})
	require.ErrorContains(t, err, "it requires GPUs")
}

func TestReleasedOfHost(t *testing.T) {
	t.Parallel()
	require.Equal(t, activities.ReleasedServer{Host: "a", Was: stateBusy, Cut: 3},
		ofHost([]activities.ReleasedServer{{Host: "a", Was: stateReady, Cut: 1}, {Host: "a", Was: stateBusy, Cut: 2}}))
}
