package draining

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"github.com/cogniverse/cogflow/internal/config/drain"
	"github.com/cogniverse/cogflow/internal/notice"
	"github.com/cogniverse/cogflow/internal/supervisor"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	const needs = 75 * time.Second
	unit := supervisor.Manager{Name: "systemd unit w.service", Asked: true}
	after := func(d time.Duration) supervisor.Manager { m := unit; m.Waits = d; return m }
	for name, c := range map[string]struct {
		limit   time.Duration
		manager supervisor.Manager
		asking  error
		text    string // of the limit
		refused string
	}{
		"nobody":                   {text: "needs up to 1m15s; no service manager was found"},
		"configured":               {limit: needs, text: "needs up to 1m15s, has 1m15s (cogflow.drain.limit_seconds)"},
		"configured, too short":    {limit: needs - 1, refused: "is killed after 1m14.999999999s (cogflow.drain.limit_seconds)"},
		"systemd":                  {manager: after(90 * time.Second), text: "needs up to 1m15s, has 1m30s (systemd unit w.service)"},
		"systemd, too short":       {manager: after(30 * time.Second), refused: "is killed after 30s (systemd unit w.service)"},
		"systemd, less than said":  {limit: 90 * time.Second, manager: after(30 * time.Second), refused: "is killed after 30s (systemd unit w.service)"},
		"systemd, more than said":  {limit: 80 * time.Second, manager: after(90 * time.Second), text: "needs up to 1m15s, has 1m20s (cogflow.drain.limit_seconds)"},
		"systemd, for ever":        {manager: unit, text: "needs up to 1m15s, and is never killed (systemd unit w.service)"},
		"systemd does not answer":  {manager: unit, asking: errors.New("no bus"), text: "needs up to 1m15s; unknown when it would be killed: no bus"},
		"no answer, but a limit":   {limit: 80 * time.Second, manager: unit, asking: errors.New("no bus"), text: "needs up to 1m15s, has 1m20s (cogflow.drain.limit_seconds)"},
		"Kubernetes":               {manager: supervisor.Manager{Name: "Kubernetes"}, text: "needs up to 1m15s; unknown when it would be killed: Kubernetes does not tell its stop timeout; set COGFLOW_DRAIN_LIMIT_SECONDS to the stop timeout in seconds"},
		"Kubernetes, and the same": {limit: 80 * time.Second, manager: supervisor.Manager{Name: "Kubernetes"}, text: "needs up to 1m15s, has 1m20s (cogflow.drain.limit_seconds)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := Compare(needs, drain.Drain{Limit: c.limit}, c.manager, c.asking)
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.text, l.String())
		})
	}
}

// TestNotices: a notice is told once, shortens the grace of activities, and is in the heartbeats of
// the workers from then on.
func TestNotices(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(dir, "notice")
		n, err := Open(t.Context(), drain.Drain{Notice: file}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		var seen []notice.Notice
		stop := n.Watch(t.Context(), func(one notice.Notice) { seen = append(seen, one) })
		defer stop()
		require.Equal(t, time.Minute, n.Bound(time.Minute))
		require.Empty(t, told(t, n))

		time.Sleep(time.Second) //nolint:forbidigo // of a bubble
		at := time.Now().Add(40 * time.Second).UTC()
		require.NoError(t, os.WriteFile(file, []byte(at.Format(time.RFC3339)), 0o600))
		time.Sleep(5 * time.Second) //nolint:forbidigo // of a bubble
		synctest.Wait()
		require.Equal(t, []notice.Notice{{From: file, At: at}}, seen)
		require.Equal(t, 40*time.Second-5*time.Second-reserve, n.Bound(time.Minute))
		require.Equal(t, time.Second, n.Bound(time.Second))
		require.Equal(t, []string{file + " at " + at.Format(time.RFC3339)}, told(t, n))
		time.Sleep(time.Minute) //nolint:forbidigo // of a bubble
		require.Zero(t, n.Bound(time.Minute), "the host should be gone")
	})
}

// told returns the versions of the plugin in a heartbeat that is sent twice, as by a retry.
func told(t *testing.T, n *Notices) (out []string) {
	t.Helper()
	shared := []*workerpb.PluginInfo{{Name: "another"}}
	in := &workflowservice.RecordWorkerHeartbeatRequest{WorkerHeartbeat: []*workerpb.WorkerHeartbeat{{Plugins: shared[:1:1]}}}
	for range 2 {
		require.NoError(t, n.Tell(t.Context(), "", in, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }))
	}
	for _, p := range in.GetWorkerHeartbeat()[0].GetPlugins() {
		if p.GetName() == notice.Plugin {
			out = append(out, p.GetVersion())
		}
	}
	return out
}

func TestWithoutNotices(t *testing.T) {
	t.Parallel()
	n, err := Open(t.Context(), drain.Drain{}, nil)
	require.NoError(t, err)
	require.Nil(t, n)
	n.Watch(t.Context(), nil)()
	require.Equal(t, time.Minute, n.Bound(time.Minute))
	require.Empty(t, told(t, n))
}
