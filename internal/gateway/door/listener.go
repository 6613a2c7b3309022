package door

import (
	"cmp"
	"net"
	"net/http"
	"strings"

	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// choose returns the listener of a request among those of its address: the one with its host, else
// the one without a host.
//
// A page of a browser can send requests to this host under a name of its own (DNS rebinding) or as
// a form of another site. Where no key is required, both are refused.
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
		if local && found.Host == "" && !loopback(name) {
			return frontdoor.Named{}, api.Fail(http.StatusForbidden, "foreign_host", "this listener needs no key, so it serves only localhost and loopback addresses; name the host in its configuration")
		}
		if (&http.CrossOriginProtection{}).Check(r) != nil {
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
	return strings.Trim(h, "[]")
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

// clip shortens a text of a client for the log.
func clip(text string) string { return cmp.Or(clean(text), "-") }
