package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/workers/ondemand"
	"github.com/cogniverse/cogflow/workflows"
)

// listing configures a small model server that lists one model: it serves files. Its port is below those
// that the kernel gives to others, and its address is of this process alone.
func (s *stack) listing(model string) (port string) {
	s.t.Helper()
	dir, pid := filepath.Join(s.dir, "served"), os.Getpid()
	require.NoError(s.t, os.MkdirAll(filepath.Join(dir, "v1"), 0o700))
	require.NoError(s.t, os.WriteFile(filepath.Join(dir, "health"), nil, 0o600))
	list := fmt.Appendf(nil, `{"object": "list", "data": [{"id": %q, "object": "model"}]}`, model)
	require.NoError(s.t, os.WriteFile(filepath.Join(dir, "v1", "models"), list, 0o600))
	host := fmt.Sprintf("127.%d.%d.%d", 1+pid>>16, pid>>8&255, pid&255)
	port = fmt.Sprint(20000 + pid%12000)
	at := "http://" + host + ":" + port
	text, err := json.Marshal(map[string]any{"cogflow": map[string]any{
		"servers": map[string]any{"small": map[string]any{
			"command": []string{"python3", "-u", "-m", "http.server", port, "--bind", host, "--directory", dir}, "ready": at + "/health",
		}},
		"endpoints": map[string]any{"small": map[string]any{"kind": "openai", "url": at + "/v1", "models": []string{model}, "server": "small"}},
	}})
	require.NoError(s.t, err)
	file := filepath.Join(s.dir, "config.json")
	require.NoError(s.t, os.WriteFile(file, text, 0o600))
	s.env = append(s.env, "COGNIVERSE_CONFIG="+file)
	return port
}

// TestModelsCLI shows, starts and stops a server of a real worker process, and says what is wrong when no
// process has it.
func TestModelsCLI(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	port := s.listing("org/small")
	cogflow, killed := s.commandLine(), false // the worker
	models := func(args ...string) (p cliResult) {
		t.Helper()
		s.poll(func() bool { // a worker has three seconds for its answer
			p = cogflow(append([]string{"models"}, args...)...)
			return killed || !strings.Contains(p.stderr, "do not answer")
		})
		return p
	}
	fails := func(code int, text string, args ...string) {
		t.Helper()
		p := models(args...)
		require.Equal(t, code, p.code, p.stderr)
		require.Contains(t, p.stderr, text)
	}
	works := func(args ...string) string {
		t.Helper()
		p := models(args...)
		require.Zero(t, p.code, p.stderr)
		return p.stdout
	}
	require.Contains(t, works("list"), "no worker has it")
	for _, command := range []string{"status", "warm", "release", "logs"} {
		fails(1, `no worker process has a model server "small"; `+"`cogflow models list`", command, "small")
	}

	worker := s.worker(nil)
	type answer struct {
		Servers  []fleet.Server
		Unserved []string
	}
	var listed answer
	s.poll(func() bool {
		listed = decode[answer](t, works("list", "--json"))
		return len(listed.Servers) == 1
	})
	require.Empty(t, listed.Unserved)
	state := func() fleet.Server {
		t.Helper()
		out := decode[answer](t, works("status", "org/small", "--json"))
		require.Len(t, out.Servers, 1)
		return out.Servers[0]
	}
	host, _ := ondemand.Queue()
	now := state()
	require.Equal(t, []string{"small", host, "cpu", fleet.StateAsleep, port}, []string{now.Server, now.Host, now.Class, now.State, now.Port})
	require.Equal(t, worker.cmd.Process.Pid, now.Process)
	require.Contains(t, works("release", "small"), "small on "+host+" did not run")

	require.Contains(t, works("warm", "org/small"), "small on "+host+" is ready after")
	now = state()
	require.Equal(t, fleet.StateIdle, now.State)
	require.Equal(t, 1, now.Starts)
	require.Contains(t, works("status", "small"), "idle")
	require.Contains(t, works("logs", "small", "--lines", "20"), "GET /v1/models")
	require.Contains(t, works("release", "small", "--host", host), "small on "+host+" is stopped")
	require.Equal(t, fleet.StateAsleep, state().State)

	fails(1, `no worker process has a model server "other"`, "warm", "other")
	fails(1, `no worker process on host elsewhere has a model server "small"`, "release", "small", "--host", "elsewhere")
	fails(2, "--lines must be 1 to 500", "logs", "small", "--lines", "0")

	s.worker([]string{"--pools", workflows.QueueMain}, "COGNIVERSE_CONFIG=") // it has no servers, and runs workflows
	s.awaitPollers(workflows.QueueMain, 2)
	worker.kill()
	killed = true
	fails(1, fmt.Sprintf("these do not answer: %s/%d-", host, worker.cmd.Process.Pid), "status", "small")
}
