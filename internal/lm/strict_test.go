package lm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/lm"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/prompt/python"
)

// TestStrictSchema: nothing is beside a reference in a schema that is sent, and the fingerprint of
// the stored answer does not depend on that.
func TestStrictSchema(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	c := lmtest.Ask("json")
	sub := python.NewObject("$ref", "#/$defs/Sub", "description", "the part")
	schema := python.NewObject("$defs", python.NewObject("Sub", python.NewObject("type", "object", "properties", &python.Object{})), "type", "object", "properties", python.NewObject("x", sub))
	c.Format = python.NewObject("type", "json_schema", "json_schema", python.NewObject("name", "out", "schema", schema, "strict", true))
	before := c.Fingerprint()
	_, err := open(s, lm.Options{}).Complete(t.Context(), c)
	require.NoError(t, err)
	call := s.Calls()[0]
	require.NotContains(t, python.Dumps(call.Format), "$ref")
	require.Contains(t, python.Dumps(call.Format), `"description": "the part"`)
	require.Equal(t, before, c.Fingerprint())
	require.NotEqual(t, string(before), call.Fingerprint, "a server with idempotency keys may have stored a refusal of the first form")
}
