package costs_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// document is the output of --json.
type document struct {
	By    []string       `json:"by"`
	Total map[string]any `json:"total"`
	// Groups have their values under "group".
	Groups []map[string]any `json:"groups"`
	Number int              `json:"groups_total"`
}

// TestCosts shows a ledger while a worker has it open, in all forms.
func TestCosts(t *testing.T) {
	t.Parallel()
	b := clitest.Offline(t, root.Run)
	place := filepath.Join(b.Dir, "ledger.db")
	config := filepath.Join(b.Dir, "config.json")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `{"cogflow": {"ledger": %q}}`, place), 0o600))
	costs := func(args ...string) (int, string, string) {
		return b.Run(append([]string{"costs", "--config", config}, args...)...)
	}

	code, _, stderr := costs()
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr, "does not exist on this host; workers create it when they start")
	require.NoFileExists(t, place)

	l, err := ledger.Open(place)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	_, out, _ := costs()
	require.Contains(t, out, "No calls of all tenants that began from")
	fill(t, l)

	_, out, _ = costs()
	table, period, _ := strings.Cut(out, "Calls of all tenants")
	clitest.Golden(t, "costs", table)
	require.Contains(t, period, " UTC.\n")
	_, out, _ = costs("--by", "kind,tenant", "--tenant", "acme:two", "--since", "all", "--limit", "1")
	clitest.Golden(t, "limit", out[:strings.Index(out, "Calls of tenant acme:two that began from the first one to 20")])

	code, out, stderr = costs("--by", "org", "--json")
	require.Zero(t, code, stderr)
	d := clitest.Decode[document](t, out)
	require.Equal(t, []string{"org"}, d.By)
	require.Equal(t, 2, d.Number)
	require.Equal(t, map[string]any{"org": "acme"}, d.Groups[0]["group"])
	require.InDelta(t, 0.002_210, d.Total["settled_usd"], 1e-12)
	require.EqualValues(t, 1, d.Total["repeated"])
	require.EqualValues(t, 3600, d.Total["input_tokens"], "cached ones are a part of it")
	require.InDelta(t, 2.5, d.Total["gpu_seconds"], 1e-12)

	_, out, _ = costs("--by", "day", "--by", "model", "--csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "day,model,calls,answered,refused,charged,lost,open,repeated,settled_usd,failed_usd,reserved_usd,input_tokens,cached_tokens,output_tokens,reasoning_tokens,gpu_seconds", strings.Join(rows[0], ","))
	require.Len(t, rows, 4)
	require.Regexp(t, `^20\d\d-\d\d-\d\d$`, rows[1][0])
	require.Equal(t, "a,\"b\"", rows[2][1], "quoted")
	require.Equal(t, []string{"vlm", "3", "2", "0", "1", "0", "0", "1", "0.002100", "0.000100", "0.000000", "3600", "2000", "150", "60", "0.000"}, rows[1][1:])

	page := filepath.Join(b.Dir, "costs.html")
	code, _, stderr = costs("--html", page)
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "Page: "+page)
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Contains(t, string(html), "<h2 id=\"groups\">By kind, model</h2>")
}

func fill(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	for _, c := range []struct {
		tenant, kind, model, fingerprint string
		outcome                          money.Outcome
		micro                            int64
		used                             money.Used
	}{
		{"acme:one", "describe", "vlm", "a", money.BilledFailure, 100, money.Used{InputTokens: 1200}},
		{"acme:one", "describe", "vlm", "a", money.Answered, 1000, money.Used{InputTokens: 1200, CachedTokens: 1000, OutputTokens: 75, ReasoningTokens: 30}},
		{"acme:two", "describe", "vlm", "b", money.Answered, 1000, money.Used{InputTokens: 1200, CachedTokens: 1000, OutputTokens: 75, ReasoningTokens: 30}},
		{"acme:two", "embed", "texts", "c", money.Refused, 0, money.Used{}},
		{"plain", "train", `a,"b"`, "d", money.Answered, 110, money.Used{GPUMS: 2500}},
		{"acme:two", "embed", "texts", "e", "", 5, money.Used{}},
		{"plain", "embed", "texts", "f", money.Released, 0, money.Used{}},
	} {
		r, err := l.TryReserve(t.Context(), video.Call{
			Tenant: tenant.ID(c.tenant), Job: "job", Workflow: "w", Kind: c.kind, Model: c.model, Fingerprint: video.Fingerprint(c.fingerprint), CostMicroUSD: max(c.micro, 1),
		}, 0)
		require.NoError(t, err)
		if c.outcome != "" {
			_, err = l.Settle(t.Context(), r.Key, money.Booking{Outcome: c.outcome, MicroUSD: c.micro, Used: c.used})
			require.NoError(t, err)
		}
	}
}

// TestFlags: mistakes are usage errors.
func TestFlags(t *testing.T) {
	t.Parallel()
	b := clitest.Offline(t, root.Run)
	for text, args := range map[string][]string{
		"did you mean model":              {"--by", "models"},
		"--since must be an age":          {"--since", "yesterday"},
		"--until must be an age":          {"--until", "-3h"},
		"--limit must not be negative":    {"--limit", "-1"},
		"exclude each other":              {"--csv", "--json"},
		"must be letters, digits":         {"--tenant", "a/b"},
		"--since must be an age such as ": {"--since", "99999999d"},
	} {
		code, _, stderr := b.Run(append([]string{"costs"}, args...)...)
		require.Equal(t, cli.ExitUsage, code, text)
		require.Contains(t, stderr, text)
	}
}
