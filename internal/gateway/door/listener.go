package door

import (
	"cmp"
	"net"
	"net/http"
	"strings"

	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/keys"
)

// choose returns the listener of a request among those of its address: the one with its host, else
// the one without a host.
//
// A page of a browser can send requests to this host under a name of its own (DNS rebinding), as a
// form of another site, or for a picture on it. Where no key is required, all are refused.
func choose(at []frontdoor.Named, local bool, r *http.Request) (frontdoor.Named, error) {
	name := strings.ToLower(hostname(r.Host))
	var found *frontdoor.Named
	for i := range at {
		if at[i].Host == name && name != "" {
			found = &at[i]
			break
		}
		if at[i].Host == "" {
			found = &at[i]
		}
	}
	if found == nil {
		return frontdoor.Named{}, api.Fail(http.StatusMisdirectedRequest, "unknown_host", "no listener serves this host")
	}
	if found.Tenant != "" {
		if found.Host == "" && !loopback(name) && (local || !ours(name)) {
			return frontdoor.Named{}, api.Fail(http.StatusForbidden, "foreign_host", "this listener needs no key, so it serves only addresses and names that no stranger can have; name the host in its configuration")
		}
		if (&http.CrossOriginProtection{}).Check(r) != nil || embedded(r) {
			return frontdoor.Named{}, api.Fail(http.StatusForbidden, "foreign_origin", "this listener needs no key, so it refuses requests of other sites")
		}
	}
	return *found, nil
}

func hostname(hostPort string) string {
	h, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		h = hostPort
	}
	return strings.TrimSuffix(strings.Trim(h, "[]"), ".")
}

// ours reports whether a name cannot be that of a stranger's domain: an address, a name without a dot,
// or one below a domain that nobody can register.
func ours(name string) bool {
	at := strings.LastIndexByte(name, '.')
	if net.ParseIP(name) != nil || at < 0 {
		return true
	}
	switch name[at+1:] {
	case "local", "internal", "localhost", "svc": // mDNS and cluster.local, ICANN, RFC 6761, Kubernetes
		return true
	}
	return strings.HasSuffix(name, ".home.arpa")
}

// embedded reports whether a browser reads for a page of another site, such as a picture on it: each
// can start work that is paid for. A link to the gateway is no such thing.
func embedded(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// forwarded reports whether a proxy has sent a request. It may be on this host; its client is not.
func forwarded(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"} {
		if r.Header[name] != nil {
			return true
		}
	}
	return false
}

func loopback(name string) bool {
	ip := net.ParseIP(name)
	return name == "" || name == "localhost" || ip != nil && ip.IsLoopback()
}

// byAddress groups listeners by their address, in the order of the configuration.
func byAddress(all []frontdoor.Named) (out [][]frontdoor.Named) {
	place := map[string]int{}
	for _, l := range all {
		i, known := place[l.Address]
		if !known {
			i = len(out)
			place[l.Address] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], l)
	}
	return out
}

// clip shortens a text of a client for the log. Keys are sometimes where none belongs.
func clip(text string) string { return cmp.Or(clean(keys.Hide(text)), "-") }
