package keys_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/internal/gateway/keys"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	b := clitest.Offline(t, root.Run)
	ok := func(args ...string) string {
		code, out, notes := b.Run(append([]string{"keys"}, args...)...)
		require.Equal(t, cli.ExitDone, code, notes)
		return out
	}
	code, _, notes := b.Run("keys", "list")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, notes, "cogflow-gateway creates it")
	s, err := keys.Open(t.Context(), b.LedgerFile())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })

	require.Contains(t, ok("list"), "No keys.")
	secret := strings.TrimSpace(ok("create", "--tenant", "uni:vision", "--name", "laptop"))
	found, err := s.Find(t.Context(), secret)
	require.NoError(t, err)
	require.Equal(t, "laptop", found.Name)
	type made struct {
		keys.Key
		Secret string `json:"secret"`
	}
	other := clitest.Decode[made](t, ok("create", "--tenant", "acme", "--expires", "1h", "--json"))
	_, err = s.Find(t.Context(), other.Secret)
	require.NoError(t, err)
	list := ok("list")
	require.Contains(t, list, found.ID)
	require.Contains(t, list, "until ")
	require.NotContains(t, list, secret)
	require.Contains(t, ok("revoke", found.ID), "Revoked "+found.ID)
	require.Contains(t, ok("list", "--tenant", "uni:vision"), "revoked")
	require.NotContains(t, ok("list", "--tenant", "uni:vision"), other.ID)
	for _, args := range [][]string{{"create"}, {"create", "--tenant", "a/b"}, {"revoke"}, {"create", "--tenant", "a", "--expires", "-1h"}} {
		code, _, _ := b.Run(append([]string{"keys"}, args...)...)
		require.Equal(t, cli.ExitUsage, code, args)
	}
}
