package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/ownserver"
)

func TestServers(t *testing.T) {
	t.Parallel()
	c, err := Load(file(t, `{"cogflow": {
		"servers": {"qwen": {"command": ["vllm", "serve"], "ready": "http://127.0.0.1:8000/health", "gpus": 1, "scaledown_seconds": 60}},
		"endpoints": {"qwen": {"kind": "openai", "url": "http://localhost:8000/v1", "models": ["q"], "server": "qwen"}}}}`))
	require.NoError(t, err)
	require.Equal(t, []ownserver.Server{{
		Name: "qwen", Command: []string{"vllm", "serve"}, Ready: "http://127.0.0.1:8000/health", GPUs: 1, Scaledown: time.Minute, BootTimeout: 10 * time.Minute,
	}}, c.Servers)
	require.Equal(t, "qwen", c.Endpoints[0].OwnServer)

	_, problems := Check(file(t, `{"cogflow": {
		"servers": {"a b": {"command": [], "ready": "http://10.0.0.1:8000/health", "gpus": -1, "boot_timeout_seconds": -1, "env": {"A=B": ""}, "pass_env": [""]}},
		"endpoints": {"far": {"kind": "openai", "url": "https://example.org/v1", "models": ["q"], "server": "a b"},
			"unknown": {"kind": "openai", "url": "http://localhost/v1", "models": ["r"], "server": "other"}}}}`))
	var places []string
	for _, p := range problems {
		places = append(places, p.Place)
	}
	require.ElementsMatch(t, []string{
		"cogflow.servers.a b", "cogflow.servers.a b.command", "cogflow.servers.a b.ready", "cogflow.servers.a b.gpus", "cogflow.servers.a b.boot_timeout_seconds",
		"cogflow.servers.a b.env", "cogflow.servers.a b.pass_env", "cogflow.endpoints.far.url", "cogflow.endpoints.unknown.server",
	}, places)
}
