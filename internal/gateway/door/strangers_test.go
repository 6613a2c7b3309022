package door_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/keys"
)

// TestStrangers: a listener without keys serves neither pages of other sites nor names that an
// attacker can point at it, whatever address it has.
func TestStrangers(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Listeners: map[string]frontdoor.Listener{
		"net": {Address: "0.0.0.0:0", Tenant: "acme"}, "named": {Address: "0.0.0.0:0", Tenant: "bell", Host: "models.example.org"},
		"here": {Address: here, Tenant: "acme"}, "keyed": {Address: "[::1]:0"},
	}}, finder{"k": keys.Key{ID: "key_1", Tenant: "acme"}})
	for _, host := range []string{"127.0.0.1", "10.0.0.5:8101", "[::1]:1", "localhost", "LOCALHOST.", "gateway", "gateway.ns.svc", "gateway.ns.svc.cluster.local", "gpu1.internal"} {
		got, body := h.ask(t, "net", "GET", "/who/ann", "", "Host", host)
		require.Equal(t, 200, got.StatusCode, host+body)
		require.Contains(t, body, "acme")
	}
	for _, host := range []string{"evil.example.org", "EVIL.EXAMPLE.ORG.", "127.0.0.1.evil.org:80", "10.0.0.5.nip.io", "local", "x.svc.example.org"} {
		got, body := h.ask(t, "net", "POST", "/who/ann", "", "Host", host)
		if host == "local" { // has no dot: it is of this network
			require.Equal(t, 200, got.StatusCode, body)
			continue
		}
		require.Equal(t, 403, got.StatusCode, host)
		require.Equal(t, "foreign_host", failure(t, body).Error.Code)
	}
	_, body := h.ask(t, "net", "GET", "/who/ann", "", "Host", "Models.Example.ORG.:80")
	require.Contains(t, body, "bell")
	_, body = h.ask(t, "keyed", "GET", "/who/ann", "", "Host", "any.example.org", "Authorization", "Bearer k")
	require.Contains(t, body, "key_1", "who has a key is no stranger")

	for _, c := range []struct {
		site, mode, dest string
		status           int
	}{
		{"cross-site", "no-cors", "image", 403},
		{"same-site", "no-cors", "script", 403},
		{"cross-site", "cors", "empty", 403},
		{"cross-site", "navigate", "iframe", 403},
		{"cross-site", "navigate", "document", 200},
		{"same-origin", "cors", "empty", 200},
		{"none", "navigate", "document", 200},
	} {
		got, _ := h.ask(t, "here", "GET", "/who/ann", "", "Sec-Fetch-Site", c.site, "Sec-Fetch-Mode", c.mode, "Sec-Fetch-Dest", c.dest)
		require.Equal(t, c.status, got.StatusCode, "%v", c)
	}
}

// TestProxy: who comes through a proxy of this host is not on this host.
func TestProxy(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Address: here}, nil)
	for header, want := range map[string]string{"": "true", "X-Forwarded-For": "false", "Forwarded": "false", "Via": "false", "X-Real-Ip": "false", "X-Forwarded-Host": "false"} {
		var more []string
		if header != "" {
			more = []string{header, "203.0.113.9"}
		}
		_, body := h.ask(t, "main", "GET", "/local", "", more...)
		require.Equal(t, want, body, header)
	}
}

// TestHeaders: the name of the scheme of a key is read in any case, and a body that would have to be
// unpacked is refused.
func TestHeaders(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Listeners: map[string]frontdoor.Listener{"keyed": {Address: here}}}, finder{"k": keys.Key{ID: "key_1", Tenant: "acme"}})
	for scheme, status := range map[string]int{"Bearer ": 200, "bearer ": 200, "BEARER  ": 200, "Bearer": 401, "Basic ": 401, "": 401} {
		got, body := h.ask(t, "keyed", "GET", "/who/ann", "", "Authorization", scheme+"k")
		require.Equal(t, status, got.StatusCode, scheme+body)
	}
	for coding, status := range map[string]int{"gzip": 415, "br, gzip": 415, "identity": 200, "Identity": 200, "": 200} {
		got, body := h.ask(t, "keyed", "POST", "/echo", "x", "Authorization", "Bearer k", "Content-Encoding", coding)
		require.Equal(t, status, got.StatusCode, coding+body)
		if status == 415 {
			require.Equal(t, "unsupported_encoding", failure(t, body).Error.Code)
			require.Equal(t, "identity", got.Header.Get("Accept-Encoding"))
		}
	}
}
