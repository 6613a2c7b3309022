package fetch

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// public reports whether an address is on the public internet: it is not in the IANA
// special-purpose registries, nor translated to such an address.
func public(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	if a.Is6() && !netip.MustParsePrefix("2000::/3").Contains(a) {
		return false // ULA, site-local, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard
	}
	for _, special := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"168.63.129.16/32",                                     // Azure's host, reachable from its guests only
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", // Teredo, documentation, 6to4
	} {
		if netip.MustParsePrefix(special).Contains(a) {
			return false
		}
	}
	return true
}

// check refuses a URL by its text. Its address is checked at the connection.
func (c *Client) check(u *url.URL) error {
	bad := func(reason string) error { return fault.New(fault.Input, op, Printable(u), reason) }
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !c.options.AllowHTTP):
		return bad("must begin with https://")
	case u.User != nil:
		return bad("a URL must not hold a user name or password")
	case u.Hostname() == "" || u.Opaque != "" || strings.ContainsRune(u.Hostname(), '%'):
		return bad("must be https://host/path")
	case odd(u.Hostname()):
		return bad("the host is neither a name nor an address in its usual form")
	case c.allowed(u):
		return nil
	case u.Port() != "" && u.Port() != defaultPort(u):
		return bad("only the usual port of " + u.Scheme + " is allowed")
	}
	return nil
}

// odd finds forms of an address that resolvers interpret differently, such as 2130706433,
// 0x7f.1 and 0177.0.0.1: all end in a label that starts with a digit.
func odd(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	return last == "" || last[0] >= '0' && last[0] <= '9'
}

func defaultPort(u *url.URL) string {
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}

// Printable is a URL without parts that may be secret: user, query, fragment.
func Printable(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
