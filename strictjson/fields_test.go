package strictjson_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/strictjson"
)

// TestFields: what Unmarshal refuses, Fields refuses, and it finds the same values.
func TestFields(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, ` { "a" : 1 , "b":[{"c":"\\\"}"}],"\u0064":null} `, `{"a":"` + strings.Repeat(`\"{[`, 1000) + `"}`,
		``, ` `, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{"a":1}}`, `{"a":1} 1`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":1}}`, "{\"a\":\"\xff\"}", "{\"\xff\":1}",
		`{"a":"\`, `{"a":"\"`, `{a:1}`, `{"a":01}`, `{"a":` + strings.Repeat(`{"a":`, 600) + `1` + strings.Repeat("}", 601),
	} {
		want := map[string]json.RawMessage{}
		wanted := strictjson.Unmarshal([]byte(text), &want)
		got := map[string]json.RawMessage{}
		err := strictjson.Fields([]byte(text), func(name string, value []byte, at int) error {
			require.Equal(t, string(value), text[at:at+len(value)])
			got[name] = json.RawMessage(strings.Clone(string(value)))
			return nil
		})
		require.Equal(t, wanted != nil, err != nil, "%.100s: %v, %v", text, wanted, err)
		if err == nil {
			require.Equal(t, want, got)
		}
	}
	for _, text := range []string{`null`, `[]`, `"a"`, `1`, `true`} {
		require.ErrorContains(t, strictjson.Fields([]byte(text), nil), "must be an object")
	}
	stop := errors.New("enough")
	require.ErrorIs(t, strictjson.Fields([]byte(`{"a":1}`), func(string, []byte, int) error { return stop }), stop)
}
