package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config"
)

// TestStartSmall: make up starts the server of small models only where its packages are
// installed and no other is configured, and says so.
func TestStartSmall(t *testing.T) { //nolint:paralleltest // changes the working directory
	var said strings.Builder
	var c config.Config
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	require.NoError(t, os.Symlink(filepath.Join(root, "embedder"), "embedder"))
	server, err := startSmall(&c, &said)
	require.NoError(t, err)
	require.NotNil(t, server, "run make small")
	defer func() { require.NoError(t, server.Stop()) }()
	require.Equal(t, server.URL(), c.SmallModels)
	require.Contains(t, said.String(), "profile local_small")

	again, err := startSmall(&c, &said)
	require.NoError(t, err)
	require.Nil(t, again, "one is configured")

	t.Chdir(t.TempDir())
	said.Reset()
	none, err := startSmall(&config.Config{}, &said)
	require.NoError(t, err)
	require.Nil(t, none)
	require.Contains(t, said.String(), "`make small`")
}
