package fleet

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
		one("b", "host/b/1", activities.ModelServer{Server: "qwen", Models: []string{"Qwen2"}, State: StateReady, Shared: true, Requests: 2, Starts: 1}),
		one("b", "host/b/2", activities.ModelServer{Server: "qwen", Models: []string{"Qwen2"}, State: StateIdle, Left: 20, Starts: 2, Idle: 3}),
		one("a", "host/a/1",
			activities.ModelServer{Server: "qwen", Models: []string{"Qwen2"}, State: StateAsleep},
			activities.ModelServer{Server: "other", Models: []string{"o"}, State: StateBooting, Seconds: 42, Limit: 600}),
	}
}

// TestServers: the processes of a host are one row; what the owner says counts, and requests add up.
func TestServers(t *testing.T) {
	t.Parallel()
	all := Servers(hosts(), "")
	require.Len(t, all, 3)
	require.Equal(t, []string{"other", "qwen", "qwen"}, []string{all[0].Server, all[1].Server, all[2].Server})
	require.Equal(t, "booting, 42s of at most 10m0s", all[0].StateText())
	require.Equal(t, "asleep", all[1].StateText())
	require.Equal(t, "busy, 2 requests", all[2].StateText(), "another process uses it")
	require.Equal(t, 3, all[2].Starts)
	require.Equal(t, []string{"host/b/2", "host/b/1"}, all[2].Queues, "the owner is first")
	require.Len(t, Servers(hosts(), "Qwen2"), 2)
	require.Empty(t, Servers(hosts(), "none"))
}
