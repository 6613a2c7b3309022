package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExactNames: what the environment says, and what Cogniverse's own sections
// say, is read by exact names, none of them twice.
func TestExactNames(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]map[string]string{
		"sources twice":      {"COGFLOW_SOURCES": `{"a":["/x"],"a":["/"]}`},
		"prices twice":       {"COGFLOW_TRAINING_PRICES": `{"a10g":1,"a10g":0}`},
		"serving, case":      {"COGFLOW_TRAINING_SERVING": `{"m":{"URL":"http://127.0.0.1:1/v1","adapters_dir":"/x"}}`},
		"serving twice":      {"COGFLOW_TRAINING_SERVING": `{"m":{"url":"http://127.0.0.1:1/v1","url":"http://127.0.0.1:2/v1"}}`},
		"model prices, case": {"COGFLOW_OPTIMIZE_PRICES": `{"m":{"Input_usd_per_mtok":0}}`},
	} {
		_, problems := Check(func(key string) string { return env[key] })
		require.NotEmpty(t, problems, name)
	}
	file := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"Active_Video_Profile":"x","BACKEND":{"type":"vespa"},"backend":{"TYPE":"vespa","other":{"A":1,"a":2}}}`), 0o600))
	c, problems := Check(func(key string) string { return map[string]string{EnvFile: file}[key] })
	require.Empty(t, problems, "keys of other parts are passed over")
	require.Nil(t, c.Vespa, "another case is another name")
	require.Equal(t, "local_preview", c.Active())
}
