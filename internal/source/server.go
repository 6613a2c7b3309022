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

// bucket is a part of a bucket on a server that may be named in several ways.
type bucket struct {
	server string // see serverName
	name   string
	prefix string // see plainKey
}

func bucketOf(p s3.Place) bucket {
	u, err := url.Parse(p.Server())
	if err != nil {
		return bucket{} // of a variable, with which nothing can be read
	}
	return bucket{server: serverName(u.Host), name: p.Bucket, prefix: plainKey(p.Prefix)}
}

// holds reports whether a location is in the bucket and below its prefix. sources is
// where s3:// sources are.
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

// plainKey spells a key as a server does that keeps objects as files: there, several
// slashes are one.
func plainKey(key string) string {
	return strings.Join(strings.FieldsFunc(key, func(r rune) bool { return r == '/' }), "/")
}

// amazon are the names under which Amazon's own servers hand out every bucket.
var amazon = regexp.MustCompile(`^s3[a-z0-9.-]*\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws)$`)

// serverName is one name for all the names of a server that can be told from the names
// alone: this machine by name or address, addresses in all their spellings, Amazon's
// regional and other hosts, and a usual port that is named or not.
func serverName(hostPort string) string {
	host, port := split(hostPort)
	return nameOf(host, port)
}

func nameOf(host, port string) string {
	if n, err := strconv.ParseUint(port, 10, 16); err == nil { // "0443"
		port = strconv.FormatUint(n, 10)
	}
	if port == "" || port == "443" || port == "80" {
		port = "usual" // a server that has both serves the same with both
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

// split separates a host, in the spelling that is looked up, from its port: in lower case,
// without the full stops and letters of other scripts that mean the same.
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

// address reads an address also in the spellings of C's inet_aton, which resolvers
// understand: 127.1, 0x7f000001, 0177.0.0.1.
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
