package source

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/cogniverse/cogflow/internal/s3"
)

// bucket is a prefix of a bucket, on a server that may have several names.
type bucket struct {
	server string // see serverName
	name   string
	prefix string // see plainKey
}

func bucketOf(p s3.Place) bucket {
	u, err := url.Parse(p.Server())
	if err != nil {
		return bucket{} // of an invalid environment variable, with which nothing can be read
	}
	return bucket{server: serverName(u.Host), name: p.Bucket, prefix: plainKey(p.Prefix)}
}

// holds reports whether a location is in the bucket and below its prefix. sources is
// the server of s3:// sources.
func (b bucket) holds(at location, sources string) bool {
	if at.scheme == "s3" {
		return sources == b.server && at.host == b.name && b.below(at.path)
	}
	host, port := split(at.host)
	if rest, virtual := strings.CutPrefix(host, b.name+"."); virtual && nameOf(rest, port) == b.server {
		return b.below(at.path)
	}
	name, key, _ := strings.Cut(plainKey(at.path), "/")
	return serverName(at.host) == b.server && name == b.name && b.below(key)
}

func (b bucket) below(key string) bool {
	key = plainKey(key)
	return b.prefix == "" || key == b.prefix || strings.HasPrefix(key, b.prefix+"/")
}

// plainKey normalizes a key as a server does that keeps objects as files: several slashes
// count as one.
func plainKey(key string) string {
	return strings.Join(strings.FieldsFunc(key, func(r rune) bool { return r == '/' }), "/")
}

// amazon matches the host names at which Amazon serves all buckets.
var amazon = regexp.MustCompile(`^s3[a-z0-9.-]*\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws)$`)

// serverName returns one canonical name for all names of a server that are recognizable
// without a lookup: this machine by name or address, all spellings of an address, Amazon's
// regional and other hosts, and an explicit or implicit default port.
func serverName(hostPort string) string {
	host, port := split(hostPort)
	return nameOf(host, port)
}

func nameOf(host, port string) string {
	if n, err := strconv.ParseUint(port, 10, 16); err == nil { // "0443"
		port = strconv.FormatUint(n, 10)
	}
	if port == "" || port == "443" || port == "80" {
		port = "usual" // http and https on the default ports reach the same server
	}
	switch {
	case amazon.MatchString(host):
		host, port = "amazon", ""
	case isThisMachine(host):
		host = thisMachine
	default:
		if a, ok := address(host); ok {
			host = a.String()
		}
	}
	return host + " " + port
}

const thisMachine = "localhost"

// isThisMachine reports whether a host names the machine of this process.
func isThisMachine(host string) bool {
	if a, ok := address(host); ok {
		return a.IsLoopback() || a.IsUnspecified() || ofThisMachine(a)
	}
	if strings.HasSuffix("."+host, "."+thisMachine) || slices.Contains([]string{"localhost.localdomain", "ip6-localhost", "ip6-loopback"}, host) {
		return true
	}
	self, err := os.Hostname()
	return err == nil && host == strings.ToLower(self)
}

// split separates a host from its port. It normalizes the host as a lookup does: lower case,
// and ASCII in place of equivalent full stops and letters of other scripts.
func split(hostPort string) (host, port string) {
	host = hostPort
	if name, number, err := net.SplitHostPort(hostPort); err == nil {
		host, port = name, number
	}
	host = strings.Trim(host, "[]")
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	return strings.TrimRight(strings.ToLower(host), "."), port
}

// address parses an IP address, also in the forms of C's inet_aton, which resolvers accept:
// 127.1, 0x7f000001, 0177.0.0.1.
func address(host string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.WithZone("").Unmap(), true
	}
	const most = 4
	parts := strings.Split(host, ".")
	if len(parts) > most {
		return netip.Addr{}, false
	}
	var all uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (most + 1 - len(parts))
		}
		n, err := strconv.ParseUint(part, 0, bits)
		if err != nil || strings.ContainsAny(part, "_oObB") {
			return netip.Addr{}, false
		}
		all = all<<bits | n
	}
	return netip.AddrFrom4([4]byte{byte(all >> 24), byte(all >> 16), byte(all >> 8), byte(all)}), true
}

// ofThisMachine reports whether an address is one of this machine's own.
func ofThisMachine(a netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, one := range own {
		if network, ok := one.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(network.IP); ok && ip.Unmap() == a {
				return true
			}
		}
	}
	return false
}
