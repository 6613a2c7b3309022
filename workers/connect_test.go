package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"github.com/cogniverse/cogflow/internal/program"
)

// TestInvalidAddress: an invalid address is a configuration error, so that a supervisor does
// not restart the worker.
func TestInvalidAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"host:99999", "host:0", "host:-1", "host:", "host:http", "dns:///host:65536", "[::1]:70000", "127.0.0.1:99999"} {
		_, err := connect(t.Context(), client.Options{HostPort: address}, zap.NewNop())
		require.ErrorContains(t, err, "TEMPORAL_ADDRESS", address)
		require.Equal(t, program.ExitConfiguration, exitCode(err), address)
	}
	for _, address := range []string{"", "host", "host:7233", ":7233", "dns:///host:7233", "[::1]:7233", "passthrough:///host:7233", "unix:///run/temporal.sock"} {
		require.NoError(t, checkAddress(address), address)
	}
}

// TestMissingNamespace: a worker waits for a namespace that is created soon after its start. A
// namespace that never exists is a configuration error.
func TestMissingNamespace(t *testing.T) {
	t.Parallel()
	missing := serviceerror.NewNamespaceNotFound("prod")
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		await := func(ctx context.Context, answer func() error) error {
			return awaitNamespace(ctx, "prod", zap.NewNop(), func(context.Context) error { asked++; return answer() })
		}
		require.NoError(t, await(t.Context(), func() error { return nil }))
		require.NoError(t, await(t.Context(), func() error { return errors.New("permission denied") }))
		asked = 0
		require.NoError(t, await(t.Context(), func() error {
			if asked < 10 {
				return missing
			}
			return nil
		}))
		err := await(t.Context(), func() error { return missing })
		require.ErrorContains(t, err, "namespace create -n prod")
		require.Equal(t, program.ExitConfiguration, exitCode(err))
		ended, end := context.WithCancel(t.Context())
		end()
		require.ErrorIs(t, await(ended, func() error { return missing }), context.Canceled)
	})
}

// TestEmptyAndRepeatedFlags: empty and repeated values are errors at the start, not queues
// that no worker serves.
func TestEmptyAndRepeatedFlags(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	for _, args := range [][]string{
		{"--pools", ""},
		{"--pools="},
		{"--pools", ","},
		{"--pools", "media,"},
		{"--pools", "media,media"},
		{"--pools", "media", "--pools", "media"},
		{"--pools", "all,media"},
		{"--pools", "all,all"},
		{"--pools", "all,nothing"},
		{"--gpu", ""},
		{"--log-level", ""},
	} {
		err := run(t.Context(), args, w.getenv, t.Output())
		require.Error(t, err, args)
		require.Contains(t, []int{program.ExitUsage, program.ExitConfiguration}, exitCode(err), "%v: %v", args, err)
	}
}

func TestPortsOfTheDevServer(t *testing.T) {
	t.Parallel()
	for _, env := range []map[string]string{
		{"COGFLOW_PORT": "99999"}, {"COGFLOW_PORT": "0"}, {"COGFLOW_UI_PORT": "-1"}, {"COGFLOW_PORT": "8233", "COGFLOW_UI_PORT": "8233"},
	} {
		_, err := startServer(t.Context(), func(name string) string { return env[name] })
		require.Error(t, err, env)
		require.Equal(t, program.ExitConfiguration, exitCode(err), "%v: %v", env, err)
	}
}
