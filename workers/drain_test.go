package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/config"
)

// TestGraces: every pool that pays has the calls' grace, and a worker that would be
// killed before it has drained does not start.
func TestGraces(t *testing.T) {
	t.Parallel()
	c := config.Config{Drain: config.Drain{Calls: time.Minute}, Training: config.Training{Grace: 2 * time.Minute}}
	graces := map[string]time.Duration{}
	all := pools()
	require.NoError(t, setGraces(all, c))
	for _, p := range all {
		graces[p.name] = p.grace
	}
	short, calls := activities.ShortGrace, time.Minute
	require.Equal(t, map[string]time.Duration{
		"cogflow": short, "media": short, "index": short, "train": 2*time.Minute + uploadGrace,
		"describe": calls, "embed": calls, "transcribe": calls, "lm": calls,
	}, graces)
	require.Equal(t, drainTime(all), supervisedTime(c))

	models, err := choosePools([]string{"describe", "lm"})
	require.NoError(t, err)
	c.Drain.Limit = calls + reportGrace + closeGrace
	require.NoError(t, setGraces(models, c))
	c.Drain.Limit -= time.Second
	require.ErrorContains(t, setGraces(models, c), "COGFLOW_DRAIN_LIMIT_SECONDS")
}
