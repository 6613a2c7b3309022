package health

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/workerlist"
)

// TestBusyPool: a pool whose slots are all used, as of a host whose GPUs all train, is healthy.
func TestBusyPool(t *testing.T) {
	t.Parallel()
	queue := func(name string, used, free int) fleet.Queue {
		return fleet.Queue{Pool: cli.Pool{Queue: name, Workers: 1}, Slots: &workerlist.Slots{Used: used, Free: free}}
	}
	require.True(t, busy(queue("train-h100", 1, 0)))
	require.False(t, busy(queue("train-h100", 1, 1)))
	require.False(t, busy(queue("train-h100", 0, 0)), "all its GPUs are set aside; the check says why")
	require.False(t, busy(queue("cogflow", 1, 0)))
	require.False(t, busy(fleet.Queue{Pool: cli.Pool{Queue: "media", Workers: 1}}), "the server does not list workers")

	c := checks{Checks: []check{{"queue train-h100", "ok", "1 worker"}, {"queue media", "fail", "no worker serves it"}}}
	c.merge(check{"pool train-h100", "fail", "no worker answers"})
	c.merge(check{"pool media", "fail", "no worker answers"})
	c.merge(check{"GPU 0 of a", "warn", "ill"})
	require.Equal(t, "warn", c.Checks[0].Status)
	require.Contains(t, c.Checks[0].Detail, "work may use all slots")
	require.Equal(t, "fail", c.Checks[1].Status)
	require.Len(t, c.Checks, 3)
}
