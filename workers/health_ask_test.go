package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/workflows"
)

// TestHealthAsks: on demand, the check of the workers asks each chat model once, and the ledger has
// its price. Without a demand nothing is paid.
func TestHealthAsks(t *testing.T) {
	t.Parallel()
	s, endpoint := newStack(t, nil), lmtest.Start(t)
	endpoint.Models = []string{"m"}
	file := filepath.Join(s.dir, "config.json")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{"cogflow":{"endpoints":{"main":{"kind":"openai","url":%q,"models":["m"],"input_usd_per_mtok":100,"output_usd_per_mtok":100}}}}`, endpoint.URL+"/v1"), 0o600))
	s.env = []string{"COGNIVERSE_CONFIG=" + file}
	s.worker(nil)
	for _, ask := range []bool{false, true, true} {
		checks := s.health(ask, answered)
		found := slices.Contains(checks, activities.HealthCheck{Part: "model m", Status: statusOK, Detail: "accepts temperature, seed, max_tokens, json_schema"})
		require.Equal(t, ask, found, "%+v", checks)
	}
	require.Len(t, endpoint.Calls(), 1)
	require.Equal(t, []string{"complete | answered | 1"}, s.rows("ledger.db", "SELECT kind, outcome, cost > 0 FROM call WHERE tenant='default' AND job='health'"))
}

// health asks the workers until what they say is enough: each pool has three seconds for its answer.
func (s *stack) health(ask bool, enough func([]activities.HealthCheck) bool) (checks []activities.HealthCheck) {
	s.t.Helper()
	s.poll(func() bool {
		out, err := execute[workflows.CheckHealthResult](s, "health", "CheckHealth", workflows.CheckHealthInput{Ask: ask})
		require.NoError(s.t, err)
		checks = out.Checks
		return enough(checks)
	})
	return checks
}

// answered reports whether each pool has answered.
func answered(checks []activities.HealthCheck) bool {
	return !slices.ContainsFunc(checks, func(c activities.HealthCheck) bool {
		return strings.HasPrefix(c.Part, "pool ") && c.Status == statusFail
	})
}
