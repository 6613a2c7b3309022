package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/config/drain"
)

// TestDrainGraces: every pool with paid calls has the grace period of calls.
func TestDrainGraces(t *testing.T) {
	t.Parallel()
	c := config.Config{Drain: drain.Drain{Calls: time.Minute}, Training: config.Training{Grace: 2 * time.Minute}}
	graces := map[string]time.Duration{}
	all := pools()
	require.Equal(t, drain.Training(2*time.Minute), setGraces(all, c))
	for _, p := range all {
		graces[p.name] = p.grace
	}
	short, calls := activities.ShortGrace, time.Minute
	require.Equal(t, map[string]time.Duration{
		"cogflow": short, "media": short, "index": short, "train": 2*time.Minute + drain.UploadGrace,
		"describe": calls, "embed": calls, "transcribe": calls, "lm": calls,
	}, graces)
	require.Equal(t, drain.Training(2*time.Minute), supervisedTime(c))

	models, err := choosePools([]string{"describe", "lm"})
	require.NoError(t, err)
	require.Equal(t, drain.Total(calls), setGraces(models, c))
}

// TestDrainLimit: a worker that would be killed while it drains does not start.
func TestDrainLimit(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	c := config.Config{Drain: drain.Drain{Limit: 90 * time.Second}}
	_, err := drainLimit(t.Context(), 90*time.Second, c, w.getenv)
	require.NoError(t, err)
	_, err = drainLimit(t.Context(), 91*time.Second, c, w.getenv)
	require.ErrorContains(t, err, "COGFLOW_DRAIN_LIMIT_SECONDS")
}
