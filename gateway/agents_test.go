package main

import (
	"net/http"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// TestAgents: every tool has its route in the table, and an agent reads why a call failed.
func TestAgents(t *testing.T) {
	t.Parallel()
	g := startGateway(t, `"gateway": {"listeners": {"main": {"address": "127.0.0.1:0", "tenant": "default"}}}`, "TEMPORAL_ADDRESS", "127.0.0.1:1")
	client := mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: g.url(t, "main") + "/mcp"}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	listed, err := session.ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, listed.Tools, 14)
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "start_job", Arguments: map[string]any{"type": "ingest", "input": map[string]any{"sauce": "/videos"}}})
	require.NoError(t, err)
	require.True(t, result.IsError)
	text, ok := result.Content[0].(*mcp.TextContent)
	require.True(t, ok)
	require.Contains(t, text.Text, "sauce")

	status, _, _, err := g.post(t, "/mcp", "no JSON")
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status)
}
