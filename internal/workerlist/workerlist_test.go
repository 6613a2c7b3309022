package workerlist

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHostQueues: processes that were killed are not asked, whatever the clock of this host says.
func TestHostQueues(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	require.Equal(t, []string{"host/a/1", "host/b/1"}, HostQueues([]Worker{
		{Queue: "host/b/1", Beat: now.Add(-20 * time.Second)},
		{Queue: "host/a/1", Beat: now},
		{Queue: "media", Beat: now},
		{Queue: "host/b/0", Beat: now.Add(-time.Minute)},
	}))
	require.Empty(t, HostQueues(nil))
}
