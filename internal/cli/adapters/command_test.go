package adapters_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/internal/cli/transfer"
	"github.com/cogniverse/cogflow/training"
)

// TestAdapters runs the commands against one server.
func TestAdapters(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	b.Serve()
	b.Step("adapters", testAdapters)
	b.Step("download", testDownload)
}

func testAdapters(t *testing.T, b *clitest.Bench) {
	code, out, errors := b.Run("adapters", "list", "support", "--json")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Len(t, clitest.Decode[registry.AdapterList](t, out).Adapters, 2)
	_, out, _ = b.Run("adapters", "list", "other")
	assert.Equal(t, "No adapters.\n", out)
	code, out, errors = b.Run("adapters", "show", "support@v3")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Contains(t, out, "HuggingFaceTB/SmolLM3-3B")
	code, _, errors = b.Run("adapters", "show", "support@9")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "no such adapter")

	code, out, errors = b.Run("adapters", "activate", "support@3")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, "support@3 is active in the role support.\nThe model server serves it as default--support.\n", out)
	code, _, errors = b.Run("adapters", "activate", "weak")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "force activates it")
	code, _, errors = b.Run("adapters", "activate", "weak", "--force")
	assert.Equal(t, cli.ExitDone, code, errors)
	_, out, _ = b.Run("adapters", "rollback", "support")
	assert.Contains(t, out, "support@2 is active in the role support.")
	_, out, _ = b.Run("adapters", "deactivate", "support")
	assert.Equal(t, "No adapter is active in the role support.\n", out)
}

func testDownload(t *testing.T, b *clitest.Bench) {
	store := b.Store()
	for name, text := range clitest.AdapterFiles() {
		_, err := store.Put(t.Context(), training.AdapterPrefix("default", "support", 3)+name, strings.NewReader(text))
		require.NoError(t, err)
	}
	to := filepath.Join(b.Dir, "down", "support")
	require.NoError(t, os.Mkdir(filepath.Dir(to), 0o750))
	code, out, errors := b.Run("adapters", "download", "support@3", "--to", to, "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, transfer.Downloaded{Name: "support", Version: 3, Path: to, Files: 3, Bytes: 18}, clitest.Decode[transfer.Downloaded](t, out))
	for name, text := range clitest.AdapterFiles() {
		data, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		assert.Equal(t, text, string(data))
	}
	code, _, errors = b.Run("adapters", "download", "support@3", "--to", to)
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "never overwritten")
	for name, want := range map[string]string{"wrong": "does not match the manifest", "escape": "outside the directory"} {
		code, _, errors = b.Run("adapters", "download", name, "--to", to+name)
		assert.Equal(t, cli.ExitFailed, code)
		assert.Contains(t, errors, want)
	}
	left, err := os.ReadDir(filepath.Dir(to))
	require.NoError(t, err)
	assert.Len(t, left, 1, "no partial download is left: %v", left)
}
