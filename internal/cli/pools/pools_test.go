package pools_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/pools"
	"github.com/cogniverse/cogflow/internal/cli/root"
)

// TestPools asks a server without a worker, then one with a worker of the main queue, and shows
// what waits for workers that do not exist.
func TestPools(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	ask := func(t *testing.T, b *clitest.Bench, args ...string) map[string]int {
		code, out, stderr := b.Run(append([]string{"pools", "--json"}, args...)...)
		require.Zero(t, code, stderr)
		answer := clitest.Decode[pools.Answer](t, out)
		require.True(t, answer.Listed, "the development server lists workers")
		at := map[string]int{}
		for i, p := range answer.Pools {
			at[p.Queue] = i
			require.NotNil(t, p.Slots, p.Queue)
			if p.Queue == "describe-l40s" {
				require.Equal(t, "l40s", p.Class)
			}
			if p.Queue == "media" {
				require.Equal(t, "cpu", p.Class)
				require.Zero(t, p.Workers)
				require.Empty(t, p.Hosts)
			}
		}
		return at
	}
	b.Step("without a worker", func(t *testing.T, b *clitest.Bench) {
		require.Contains(t, ask(t, b, "--gpu", "l40s"), "describe-l40s")
		require.NotContains(t, ask(t, b), "describe-l40s")
	})
	b.Serve()
	b.Step("with a worker", func(t *testing.T, b *clitest.Bench) {
		code, out, _ := b.Run("pools", "--json")
		require.Zero(t, code)
		for _, p := range clitest.Decode[pools.Answer](t, out).Pools {
			if p.Queue == "cogflow" {
				require.Positive(t, p.Workers)
				require.Len(t, p.Hosts, 1)
				return
			}
		}
		require.Fail(t, "the main queue is missing", out)
	})
	b.Step("a table", func(t *testing.T, b *clitest.Bench) {
		_, out, _ := b.Run("pools")
		require.Contains(t, out, "SLOTS USED")
		require.Contains(t, out, "describe-cpu")
	})
	b.Step("an unknown class", func(t *testing.T, b *clitest.Bench) {
		code, _, stderr := b.Run("pools", "--gpu", "l40x")
		require.Equal(t, cli.ExitUsage, code)
		require.Contains(t, stderr, "l40x")
	})
}
