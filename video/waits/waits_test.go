package waits_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video/waits"
)

// TestSet: waits are counted by what is waited for, the longest first, and a wait that is said
// again keeps its beginning.
func TestSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s waits.Set
		require.Empty(t, s.List())
		a, b, c := s.Place(), s.Place(), s.Place()
		begin := time.Now()
		a.Set(waits.For(waits.Rate, "429", 5*time.Second))
		time.Sleep(time.Second) //nolint:forbidigo // of a bubble
		b.Set(waits.For(waits.Rate, "429", time.Second))
		c.Set(waits.Reason{Code: waits.Same, Text: "elsewhere"})
		a.Set(waits.For(waits.Rate, "429 again", 9*time.Second))
		all := s.List()
		require.Len(t, all, 2)
		require.Equal(t, waits.Rate, all[0].Code)
		require.Equal(t, 2, all[0].Calls)
		require.True(t, all[0].Since.Equal(begin), "it goes on")
		require.True(t, all[0].Until.Equal(begin.Add(2*time.Second)), "the next attempt")
		require.Equal(t, waits.Same, all[1].Code)
		a.Set(waits.Reason{Code: waits.Endpoint})
		require.Len(t, s.List(), 3)
		a.Clear()
		b.Clear()
		c.Clear()
		require.Empty(t, s.List())
	})
}
