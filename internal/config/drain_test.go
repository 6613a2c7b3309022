package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDrain(t *testing.T) {
	t.Parallel()
	c, err := Load(env())
	require.NoError(t, err)
	require.Equal(t, Drain{Calls: time.Minute}, c.Drain)
	c, err = Load(env("COGFLOW_DRAIN_CALLS_SECONDS", "1.5", "COGFLOW_DRAIN_LIMIT_SECONDS", "90"))
	require.NoError(t, err)
	require.Equal(t, Drain{Calls: 1500 * time.Millisecond, Limit: 90 * time.Second}, c.Drain)
	for _, wrong := range []string{"soon", "0.5", "-1", "3601", "NaN"} {
		_, err := Load(env("COGFLOW_DRAIN_CALLS_SECONDS", wrong))
		require.Error(t, err, wrong)
	}
}
