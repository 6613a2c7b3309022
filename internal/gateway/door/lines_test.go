package door_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/keys"
)

// lines are those of the log, and the refusals that they stand for.
func (l *log) lines(t *testing.T) (lines, all int) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var one struct {
			Before int `json:"not_logged_before"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &one))
		lines++
		all += 1 + one.Before
	}
	return lines, all
}

// TestLines: who has no key writes at most as many lines of the log as wrong keys do, whatever is asked: paths
// that do not exist, hosts that are not served, pages of other sites.
func TestLines(t *testing.T) {
	t.Parallel()
	const requests = 200
	for name, c := range map[string]struct {
		listener, path string
		header         []string
		status         int
	}{
		"no such path":  {"keyed", "/nothing", nil, 404},
		"no method":     {"keyed", "/echo", nil, 405},
		"another host":  {"named", "/who/ann", []string{"Host", "b.example.org"}, 421},
		"another site":  {"free", "/who/ann", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a rebound one": {"free", "/who/ann", []string{"Host", "evil.example.org"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := openAt(t, frontdoor.Section{Listeners: map[string]frontdoor.Listener{"keyed": {Address: here}, "named": {Address: "[::1]:0", Host: "a.example.org"}, "free": {Address: "localhost:0", Tenant: "acme"}}}, nil, noon)
			for i := range requests {
				got, body := h.ask(t, c.listener, "GET", c.path+"?"+strconv.Itoa(i), "", c.header...)
				require.Equal(t, c.status, got.StatusCode, body)
			}
			lines, all := h.log.lines(t)
			require.Equal(t, 60, lines)
			require.LessOrEqual(t, all, requests)
			got, _ := h.ask(t, "free", "GET", "/who/ann", "")
			require.Equal(t, 200, got.StatusCode)
		})
	}
}

// TestKeysInOtherPlaces: a key that a client sends where none belongs is not in the log.
func TestKeysInOtherPlaces(t *testing.T) {
	t.Parallel()
	key := keys.New()
	h := open(t, frontdoor.Section{Listeners: map[string]frontdoor.Listener{"keyed": {Address: here}}}, finder{key: {ID: "key_1", Tenant: "acme"}})
	for name, ask := range map[string]struct {
		path   string
		header []string
	}{
		"path":             {"/nothing/" + key, nil},
		"path, twice":      {"/nothing/" + key + "/" + key, nil},
		"query":            {"/nothing?key=" + key, nil},
		"request id":       {"/who/ann", []string{"X-Request-Id", key, "Authorization", "Bearer " + key}},
		"within an id":     {"/who/ann", []string{"X-Request-Id", "a-" + key, "Authorization", "Bearer " + key}},
		"error of a route": {"/fail/" + key, []string{"Authorization", "Bearer " + key}},
		"cookie":           {"/who/ann", []string{"Cookie", "key=" + key}},
		"user of a URL":    {"/who/ann", []string{"Authorization", "Basic " + key}},
	} {
		_, _ = h.ask(t, "keyed", "GET", ask.path, "", ask.header...)
		require.NotContains(t, h.log.String(), key[4:30], name)
	}
	require.Contains(t, h.log.String(), "[key]")
}

// TestSameOrigin: answers are not parts of pages of other sites.
func TestSameOrigin(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Address: here}, nil)
	for _, path := range []string{"/who/ann", "/public", "/nothing"} {
		got, _ := h.ask(t, "main", "GET", path, "")
		require.Equal(t, "same-origin", got.Header.Get("Cross-Origin-Resource-Policy"), path)
		require.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"), path)
	}
}
