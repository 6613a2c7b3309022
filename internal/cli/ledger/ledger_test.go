package ledger_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// TestCopy copies the ledger of the configuration.
func TestCopy(t *testing.T) {
	t.Parallel()
	b := clitest.Offline(t, root.Run)
	l, err := ledger.Open(b.LedgerFile())
	require.NoError(t, err)
	r, err := l.TryReserve(t.Context(), video.Call{Tenant: "acme", Job: "job", Model: "gpt-5", Fingerprint: "f", CostMicroUSD: 1_250_000}, 0)
	require.NoError(t, err)
	url := postgrestest.Shared(t).Database(t)
	code, _, notes := b.Run("ledger", "copy", "--to", url)
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, notes, "1 calls are in flight")

	_, err = l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: 1_250_000})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	for _, added := range []string{"1", "0"} {
		code, out, notes := b.Run("ledger", "copy", "--to", url)
		require.Equal(t, cli.ExitDone, code, notes)
		require.Contains(t, out, "1 entries of $1.250000, of which "+added+" were added now\n")
		require.Contains(t, out, "The sums are equal.")
	}
	code, out, notes := b.Run("ledger", "copy", "--to", url, "--json")
	require.Equal(t, cli.ExitDone, code, notes)
	require.Contains(t, out, `"micro_usd": 1250000`)
}

func TestCopyMistakes(t *testing.T) {
	t.Parallel()
	b := clitest.Offline(t, root.Run)
	for says, args := range map[string][]string{
		"--to is required":                     {},
		"--to: not the URL of a PostgreSQL":    {"--to", "ledger.db"},
		"--to: a URL of another kind":          {"--to", "mysql://host/db"},
		"--to: the URL has no database":        {"--to", "postgres://user@host"},
		"--from: not a file":                   {"--to", "postgres://user@host/db", "--from", "postgres://user@host/other"},
		"--from: a file URL needs an absolute": {"--to", "postgres://user@host/db", "--from", "file://ledger.db"},
	} {
		code, _, notes := b.Run(append([]string{"ledger", "copy"}, args...)...)
		require.Equal(t, cli.ExitUsage, code, notes)
		require.Contains(t, notes, says)
	}
}
