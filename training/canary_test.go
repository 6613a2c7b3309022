package training_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// TestCanaryTakes: the numbers are Python's
// int(hashlib.sha1(key.encode()).hexdigest()[:8], 16) % 100.
func TestCanaryTakes(t *testing.T) {
	t.Parallel()
	for key, bucket := range map[string]int{"session-1": 89, "session-2": 37, "session-7": 3, "session-8": 97, "": 6, "Größe": 48} {
		for share := 1; share <= 100; share++ {
			require.Equal(t, bucket < share, (&training.Canary{Share: share}).Takes(key), "%s at %d %%", key, share)
		}
	}
	require.False(t, (*training.Canary)(nil).Takes("session-7"), "without a canary")
	taken := 0
	for i := range 10_000 {
		if (&training.Canary{Share: 10}).Takes(fmt.Sprint("user-", i)) {
			taken++
		}
	}
	require.InDelta(t, 1000, taken, 100)
}

func TestCanaryOfRole(t *testing.T) {
	t.Parallel()
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC) }
	refused := func(err error, want string) {
		t.Helper()
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
	r := training.Role{Role: "router"}
	refused(r.StartCanary("router", 2, 10, at(1)), "no version is active")
	r.Activate("router", 1, at(1))
	for _, share := range []int{-1, 0, 101} {
		refused(r.StartCanary("router", 2, share, at(2)), "from 1 to 100")
	}
	refused(r.StartCanary("router", 1, 10, at(2)), `"router@1": it is the active version`)
	require.Nil(t, r.Canary)

	started := func(share int, hour int) {
		t.Helper()
		require.NoError(t, r.StartCanary("router", 2, share, at(hour)))
		require.Equal(t, share, r.Canary.Share)
		require.Equal(t, 1, r.Active.Version)
	}
	started(10, 3)
	started(50, 4)
	require.Equal(t, at(3), r.Canary.Since, "it is the same canary with another share")
	r.Activate("router", 1, at(5))
	require.NotNil(t, r.Canary, "nothing has changed")

	r.Activate("router", 2, at(6))
	require.Nil(t, r.Canary, "it is active now")
	require.Equal(t, 1, r.History[0].Version)
	require.NoError(t, r.StartCanary("router", 3, 10, at(7)))
	require.NoError(t, r.Rollback(at(8)))
	require.Nil(t, r.Canary)
	require.Equal(t, 1, r.Active.Version)
	require.NoError(t, r.StartCanary("router", 3, 10, at(9)))
	refused(r.Rollback(at(10)), "it has no previous version")
	require.NotNil(t, r.Canary, "a rollback that is refused changes nothing")
	r.Deactivate()
	require.Nil(t, r.Canary)
}
