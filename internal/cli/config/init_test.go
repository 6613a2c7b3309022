package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/internal/config"
)

// initial runs init with answers, and loads the configuration that it wrote.
func initial(t *testing.T, file, answers string, args ...string) (code int, c config.Config, said string) {
	t.Helper()
	var out, notes clitest.Output
	code = root.Run(t.Context(), cli.Process{
		Args: append([]string{"init", file}, args...), Getenv: func(string) string { return "" },
		In: strings.NewReader(answers), Out: &out, Err: &notes,
	})
	c, problems := config.Check(func(name string) string { return map[string]string{config.EnvFile: file}[name] })
	if code == cli.ExitDone {
		require.Empty(t, problems)
	}
	return code, c, out.String() + notes.String()
}

// TestInit: answers on stdin and flags result in a valid configuration.
func TestInit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "new", "config.json")
	code, c, said := initial(t, file, "vllm:8000\nhttp://vllm:8000/v1\n\norg/vlm\nsk-secret\nVLM_KEY\n0.1\n0.2\nl40s, h100\n"+dir+"/store\nhttp://vespa:8080\n")
	require.Equal(t, cli.ExitDone, code, said)
	assert.Contains(t, said, "must be like https://vllm.example.org/v1")
	assert.Contains(t, said, "is required with a model server")
	assert.Contains(t, said, "never the key itself")
	assert.NotContains(t, said, "sk-secret")
	assert.Contains(t, said, "export COGNIVERSE_CONFIG="+file)
	assert.Contains(t, said, "export VLM_KEY=…")
	assert.Equal(t, "file://"+dir+"/store", c.Store)
	require.NotNil(t, c.Vespa)
	assert.Equal(t, "http://vespa:8080", c.Vespa.URL)
	p, err := c.Profile("")
	require.NoError(t, err)
	assert.Equal(t, "org/vlm", p.Describe.Model)
	assert.Equal(t, []string{"l40s", "h100"}, p.Describe.GPU)
	endpoint, ok := c.Describer(p.Describe)
	require.True(t, ok)
	assert.Equal(t, "VLM_KEY", endpoint.KeyVariable)
	assert.InDelta(t, 0.2, *endpoint.OutputUSDPerMTok, 0)
	_, err = c.Student("")
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"$schema": "./cogflow.schema.json"`)
	assert.NotContains(t, string(text), "sk-secret")
	assert.FileExists(t, filepath.Join(dir, "new", "cogflow.schema.json"))

	code, _, said = initial(t, file, "")
	assert.Equal(t, cli.ExitUsage, code)
	assert.Contains(t, said, "exists; --force replaces it")
	code, c, said = initial(t, file, "", "--force", "--json")
	require.Equal(t, cli.ExitDone, code, said)
	assert.Equal(t, "local_preview", c.Active(), "missing answers are the defaults")

	code, c, said = initial(t, filepath.Join(dir, "flags.json"), "", "--yes", "--model-url", "https://api.openai.com/v1", "--model", "gpt-5-mini", "--key-env", "OPENAI_API_KEY")
	require.Equal(t, cli.ExitDone, code, said)
	assert.Len(t, c.Endpoints, 1)
	assert.Nil(t, c.Endpoints[0].InputUSDPerMTok, "an unknown price is not 0")
}

// TestInitRefuses: an invalid configuration is not written.
func TestInitRefuses(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"is required with a model server": {"--model-url", "http://x/v1"},
		"without credentials":             {"--model-url", "http://me:key@x/v1", "--model", "m"},
		"never the key itself":            {"--model-url", "http://x/v1", "--model", "m", "--key-env", "sk-1"},
		"did you mean l4?":                {"--model-url", "http://x/v1", "--model", "m", "--gpu", "l40"},
		"must be a number of USD":         {"--model-url", "http://x/v1", "--model", "m", "--input-price", "cheap"},
		"input_usd_per_mtok":              {"--model-url", "http://x/v1", "--model", "m", "--input-price", "1"},
		"file:///path or s3://":           {"--store", "ftp://x"},
	} {
		file := filepath.Join(t.TempDir(), "c.json")
		code, _, said := initial(t, file, "", append(args, "--yes")...)
		assert.Equal(t, cli.ExitUsage, code, name)
		assert.Contains(t, said, name)
		left, err := os.ReadDir(filepath.Dir(file))
		require.NoError(t, err)
		assert.Empty(t, left, name)
	}
}
