package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	for text, want := range map[string]string{
		"":                           filepath.Join(here, ".cogflow", "ledger.db"),
		"ledger.db":                  filepath.Join(here, "ledger.db"),
		"/srv/ledger.db":             "/srv/ledger.db",
		"file:///srv/a%20ledger.db":  "/srv/a ledger.db",
		"postgres://me@db/cogflow":   "postgres://me@db/cogflow",
		"postgresql://db:1/x?a=b":    "postgresql://db:1/x?a=b",
		"postgres:///x?host=/run/pg": "postgres:///x?host=/run/pg",
	} {
		c, err := Load(env("COGFLOW_LEDGER", text))
		require.NoError(t, err, text)
		require.Equal(t, want, c.Ledger)
	}
	for text, says := range map[string]string{
		"file://ledger.db":                     "needs an absolute path",
		"mysql://db/x":                         "a URL of another kind",
		"postgres://me:topsecret@db":           "has no database",
		"postgres://me:topsecret@/x":           "has no host",
		"postgres://me:topsecret@db:port/x":    "not a URL",
		"postgres://me:topsecret%zz@db:5432/x": "not a URL",
	} {
		c, err := Load(env("COGFLOW_LEDGER", text))
		require.ErrorContains(t, err, says, text)
		require.NotContains(t, err.Error(), "topsecret")
		require.NotContains(t, c.Redacted().Ledger, "topsecret")
	}
}

func TestLedgerPassword(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"postgres://me:topsecret@db/x?sslmode=require", "postgres://me@db/x?sslmode=require&password=topsecret"} {
		c, err := Load(env("COGFLOW_LEDGER", text))
		require.NoError(t, err)
		require.Equal(t, "topsecret", c.LedgerPassword())
		require.Equal(t, "postgres://me@db/x?sslmode=require", c.Redacted().Ledger)
		require.Empty(t, c.LedgerFile())

		_, err = Load(file(t, `{"cogflow":{"ledger":"`+text+`"}}`))
		require.ErrorContains(t, err, "cogflow.ledger: a URL with a password")
		require.NotContains(t, err.Error(), "topsecret")
	}
	c, err := Load(file(t, `{"cogflow":{"ledger":"postgres://me@db/x"}}`))
	require.NoError(t, err)
	require.Empty(t, c.LedgerPassword())
}
