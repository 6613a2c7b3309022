package door

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestGuesses: an address is told of its first wrong keys one by one, and then to wait. The log has a
// line for each of these, and the number of the others.
func TestGuesses(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	g := guesses{now: func() time.Time { return now }}
	for range guessesPerMinute {
		wait, logged, unlogged := g.refused("10.0.0.1")
		require.Zero(t, wait)
		require.True(t, logged)
		require.Zero(t, unlogged)
	}
	for range 1000 {
		wait, logged, _ := g.refused("10.0.0.1")
		require.Equal(t, time.Second, wait.Round(time.Second))
		require.False(t, logged)
	}
	wait, logged, _ := g.refused("10.0.0.2")
	require.Zero(t, wait, "another address has its own tries")
	require.True(t, logged)
	now = now.Add(2 * time.Second)
	wait, logged, unlogged := g.refused("10.0.0.1")
	require.Zero(t, wait)
	require.True(t, logged)
	require.Equal(t, 1000, unlogged)

	require.Equal(t, network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::1"), "one subscriber")
	require.NotEqual(t, network("2001:db8:1:2::1"), network("2001:db8:1:3::1"))
	require.NotEqual(t, network("::ffff:10.0.0.1"), network("::ffff:10.0.0.2"))
	g = guesses{now: func() time.Time { return now }}
	lines, all := 0, 0
	for i := range 3 * mostAddresses {
		wait, logged, unlogged := g.refused(fmt.Sprintf("10.%d.%d.%d", 1+i>>16, i>>8&255, i&255))
		require.Zero(t, wait)
		if logged {
			lines++
			all += 1 + unlogged
		}
	}
	require.LessOrEqual(t, len(g.by), mostAddresses)
	require.Equal(t, linesPerMinute, lines, "many addresses do not fill the log")
	now = now.Add(2 * time.Minute)
	_, logged, unlogged = g.refused("10.0.0.1")
	require.True(t, logged)
	require.Equal(t, 3*mostAddresses+1, all+1+unlogged, "each refusal is counted")
}
