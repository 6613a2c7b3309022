package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/workers/polling"
)

// TestDrainGraces: every pool with paid calls has the grace period of calls, and a worker
// with a drain limit that is too short does not start.
func TestDrainGraces(t *testing.T) {
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
	c.Drain.Limit = calls + polling.ReportGrace + closeGrace
	require.NoError(t, setGraces(models, c))
	c.Drain.Limit -= time.Second
	require.ErrorContains(t, setGraces(models, c), "COGFLOW_DRAIN_LIMIT_SECONDS")
}
