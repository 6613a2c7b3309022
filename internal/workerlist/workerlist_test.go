package workerlist

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLiving: processes that were killed are left out, whatever the clock of this host says while others
// live. If all of them were killed, its clock decides.
func TestLiving(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	all := func() []Worker {
		return []Worker{
			{Queue: "host/b/1", Beat: now.Add(-20 * time.Second)},
			{Queue: "host/a/1", Beat: now, Host: "a"},
			{Queue: "media", Beat: now},
			{Queue: "media", Beat: now.Add(-time.Minute)},
			{Queue: "host/b/0", Beat: now.Add(-time.Minute)},
		}
	}
	for _, ahead := range []time.Duration{-time.Hour, 0, time.Minute, 4 * time.Minute} {
		living := living(all(), now.Add(ahead), "gateway")
		require.Len(t, living, 3)
		require.Equal(t, []string{"host/a/1", "host/b/1"}, HostQueues(living))
	}
	require.Len(t, living(all()[:1], now, ""), 1)
	require.Len(t, living(all(), now.Add(lastBeat), "a"), 2, "another host may have another clock")
	require.Empty(t, living(all(), now.Add(lastBeatThere), "a"))
	require.Empty(t, HostQueues(nil))
}
