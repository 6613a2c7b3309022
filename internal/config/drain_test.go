package config

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/drain"
)

func TestDrain(t *testing.T) {
	t.Parallel()
	c, err := Load(env())
	require.NoError(t, err)
	require.Equal(t, drain.Drain{Calls: time.Minute}, c.Drain)
	c, err = Load(env("COGFLOW_DRAIN_CALLS_SECONDS", "1.5", "COGFLOW_DRAIN_LIMIT_SECONDS", "90", "COGFLOW_DRAIN_NOTICE", "aws"))
	require.NoError(t, err)
	require.Equal(t, drain.Drain{Calls: 1500 * time.Millisecond, Limit: 90 * time.Second, Notice: "aws"}, c.Drain)
	for _, wrong := range []string{"soon", "0.5", "-1", "3601", "NaN"} {
		_, err := Load(env("COGFLOW_DRAIN_CALLS_SECONDS", wrong))
		require.Error(t, err, wrong)
	}

	for _, valid := range []string{"gcp", "azure", "http://127.0.0.1:9/notice", "/run/spot-notice"} {
		c, err := Load(env("COGFLOW_DRAIN_NOTICE", valid))
		require.NoError(t, err)
		require.Equal(t, valid, c.Drain.Notice)
	}
	c, err = Load(env("COGFLOW_DRAIN_NOTICE", "notice"))
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(c.Drain.Notice), c.Drain.Notice)
	for _, wrong := range []string{"ftp://host/notice", "http://", "https://user:password@host/notice"} {
		_, err := Load(env("COGFLOW_DRAIN_NOTICE", wrong))
		require.ErrorContains(t, err, "cogflow.drain.notice", wrong)
		require.NotContains(t, err.Error(), "password")
	}
}

// TestDrainWarnings: a limit that is too short for some pools is not an error of the file,
// because other pools can use it.
func TestDrainWarnings(t *testing.T) {
	t.Parallel()
	require.Empty(t, drain.Drain{Calls: time.Minute}.Warnings(time.Minute), "the limit is unknown")
	require.Empty(t, drain.Drain{Calls: time.Minute, Limit: 105 * time.Second}.Warnings(time.Minute))
	all := drain.Drain{Calls: time.Minute, Limit: 104 * time.Second}.Warnings(time.Minute)
	require.Len(t, all, 1)
	require.Contains(t, all[0], "that trains needs up to 1m45s")
	all = drain.Drain{Calls: time.Minute, Limit: 74 * time.Second}.Warnings(time.Minute)
	require.Len(t, all, 2)
	require.Contains(t, all[0], "with a pool of models needs up to 1m15s")
}
