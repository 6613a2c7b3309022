package tenant_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]tenant.ID{
		"": tenant.Default, "acme": "acme", "org:team-1_x": "org:team-1_x", strings.Repeat("a", 64): tenant.ID(strings.Repeat("a", 64)),
	} {
		got, err := tenant.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{
		"a:b:c", ":a", "a:", "../x", "a/b", "a b", "a\x00", "a\n", "ä", strings.Repeat("a", 65),
	} {
		_, err := tenant.Parse(text)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%q", text)
	}
}
