package upstream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestGPUTime: requests at once share the time of the GPUs, and nothing of it is counted twice.
func TestGPUTime(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	c := &gpuClock{gpus: 2, now: func() time.Time { return now }}
	pass := func(seconds int) { now = now.Add(time.Duration(seconds) * time.Second) }

	pass(100) // idle
	first := c.begin()
	pass(3) // 6 s for the first
	second := c.begin()
	pass(4) // 4 s for each
	require.Equal(t, 10*time.Second, first())
	pass(5) // 10 s for the second
	require.Equal(t, 14*time.Second, second())
	pass(100)
	third := c.begin()
	require.Zero(t, third())

	without := &gpuClock{}
	require.Zero(t, without.begin()())
}
