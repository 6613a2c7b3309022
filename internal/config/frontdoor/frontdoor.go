// Package frontdoor is the configuration of cogflow-gateway. It listens to nothing.
package frontdoor

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/tenant"
)

// Section is the gateway as people write it.
type Section struct {
	Address     string              `json:"address" jsonschema:"host:port of the listener main, which exists unless listeners are configured (default 127.0.0.1:8090)"`
	Listeners   map[string]Listener `json:"listeners" jsonschema:"addresses that the gateway serves, by name (default one named main, for the tenant default, without keys, on this host only)"`
	MaxBody     int64               `json:"max_body_bytes" jsonschema:"maximum size of a request; uploads have limits of their own (default 33554432)"`
	MaxPixels   int                 `json:"max_pixels" jsonschema:"maximum number of pixels of an image in a request, which can have four times as many in all (default 67108864)"`
	MaxInFlight int                 `json:"max_in_flight" jsonschema:"concurrent requests of one tenant; more are refused with status 429 (default 2048)"`
	PerMinute   int                 `json:"requests_per_minute" jsonschema:"requests of one tenant in a minute, for each gateway process; more are refused with status 429; 0 = unlimited (default 0)"`
	Queue       float64             `json:"queue_seconds" jsonschema:"seconds that a request waits for its model server, a cold start included, before it is refused with status 503 and Retry-After (default 120)"`
	Fallbacks   map[string][]string `json:"fallbacks" jsonschema:"for a model, the models that are asked in this order when none of its servers answers, such as a local one; each server that is asked can take an equal part of the rest of queue_seconds"`
	MaxUpload   int64               `json:"max_upload_bytes" jsonschema:"maximum size of an uploaded file (default 107374182400)"`
	OpenUploads int                 `json:"max_open_uploads" jsonschema:"uploads of one tenant that are not complete; more are refused with status 429 (default 16)"`
	KeepUploads float64             `json:"upload_hours" jsonschema:"hours after which an upload that is not complete is removed, and the frames of a batch that has ended (default 24)"`
	Drain       float64             `json:"drain_seconds" jsonschema:"seconds that requests in flight have after SIGTERM (default 60)"`
}

// Listener is one address of the gateway.
type Listener struct {
	Address     string `json:"address" jsonschema:"host:port; listeners with different hosts can share one; port 0 is a free one, which the log names"`
	Host        string `json:"host" jsonschema:"host name of the requests that it takes (default all that no other listener of its address takes)"`
	Model       string `json:"model" jsonschema:"the only model that it serves; callers then need not know its name"`
	Revision    string `json:"revision" jsonschema:"revision of model, which /v1/models lists"`
	MaxModelLen int    `json:"max_model_len" jsonschema:"maximum number of tokens of a request and its answer to model, which /v1/models lists"`
	ErrorsAs200 bool   `json:"errors_as_200" jsonschema:"whether the routes of Cogniverse's deployment guide report failures with status 200 and the key error, as the originals did (default false)"`
	Tenant      string `json:"tenant" jsonschema:"tenant of its callers, who then need no key; only for networks whose callers all belong to that tenant (default that of the key, which is required)"`
	Cert        string `json:"cert_file" jsonschema:"PEM file with the certificate of TLS; needs key_file (default no TLS)"`
	Key         string `json:"key_file" jsonschema:"PEM file with the private key of TLS"`
}

// Gateway is the configuration with all defaults.
type Gateway struct {
	Listeners   []Named             `json:"listeners"`
	MaxBody     int64               `json:"max_body_bytes"`
	MaxPixels   int                 `json:"max_pixels"`
	MaxInFlight int                 `json:"max_in_flight"`
	PerMinute   int                 `json:"requests_per_minute"`
	Queue       time.Duration       `json:"queue"`
	Fallbacks   map[string][]string `json:"fallbacks,omitempty"`
	MaxUpload   int64               `json:"max_upload_bytes"`
	OpenUploads int                 `json:"max_open_uploads"`
	KeepUploads time.Duration       `json:"keep_uploads"`
	Drain       time.Duration       `json:"drain"`
}

// sameAddress reports whether two sockets cannot listen at two addresses: they have one port, and hosts
// of which one contains the other.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || strings.Trim(portA, "0") == "" {
		return false
	}
	if strings.EqualFold(hostA, hostB) {
		return true
	}
	ipA, ipB := ipOf(hostA), ipOf(hostB)
	if ipA == nil || ipB == nil {
		return false
	}
	return ipA.Equal(ipB) || (ipA.To4() == nil) == (ipB.To4() == nil) && (ipA.IsUnspecified() || ipB.IsUnspecified())
}

func ipOf(host string) net.IP {
	if strings.EqualFold(host, "localhost") {
		return net.IPv4(127, 0, 0, 1)
	}
	return net.ParseIP(host)
}

// Local reports whether only the user of this host can reach the gateway: keys are for others, whose
// requests a proxy may forward to loopback.
func (g Gateway) Local() bool {
	return !slices.ContainsFunc(g.Listeners, func(l Named) bool { return !Local(l.Address) || l.Tenant == "" })
}

// Named is a listener with its name.
type Named struct {
	Name string `json:"name"`
	Listener
}

const (
	defaultAddress  = "127.0.0.1:8090"
	defaultBody     = 32 << 20
	defaultPixels   = 1 << 26
	defaultInFlight = 2048
	defaultQueue    = 120 // seconds
	defaultDrain    = 60
	maxSeconds      = 3600
	maxBody         = 1 << 30
	maxPixels       = 1 << 30
	maxRequests     = 1 << 20
	defaultUpload   = 100 << 30
	defaultUploads  = 16
	defaultHours    = 24
	maxHours        = 24 * 365
	secondsPerHour  = 3600
	maxRevision     = 200
)

// Complete is the section with all defaults.
func (s Section) Complete() Gateway {
	seconds := func(v, or float64) time.Duration { return time.Duration(cmp.Or(v, or) * float64(time.Second)) }
	g := Gateway{
		MaxBody: cmp.Or(s.MaxBody, defaultBody), MaxPixels: cmp.Or(s.MaxPixels, defaultPixels), MaxInFlight: cmp.Or(s.MaxInFlight, defaultInFlight), PerMinute: s.PerMinute, Fallbacks: s.Fallbacks,
		Queue: seconds(s.Queue, defaultQueue), Drain: seconds(s.Drain, defaultDrain),
		MaxUpload: cmp.Or(s.MaxUpload, defaultUpload), OpenUploads: cmp.Or(s.OpenUploads, defaultUploads), KeepUploads: seconds(s.KeepUploads*secondsPerHour, defaultHours*secondsPerHour),
	}
	for _, name := range slices.Sorted(maps.Keys(s.Listeners)) {
		one := s.Listeners[name]
		one.Host = strings.ToLower(one.Host)
		g.Listeners = append(g.Listeners, Named{name, one})
	}
	if len(g.Listeners) == 0 {
		g.Listeners = []Named{{"main", Listener{Address: cmp.Or(s.Address, defaultAddress), Tenant: string(tenant.Default)}}}
	}
	return g
}

// Check calls bad for each problem: the key, what is wrong and how to fix it.
func (s Section) Check(bad func(key, text, fix string)) {
	if s.Address != "" && len(s.Listeners) > 0 {
		bad("address", "contradicts listeners", "remove one of them")
	}
	if s.Address != "" {
		wrong := false
		Listener{Address: s.Address}.check(func(_, text, fix string) { wrong = true; bad("address", text, fix) })
		if !wrong && !Local(s.Address) {
			bad("address", "not on this host, and its callers need no key", "use a loopback address like 127.0.0.1:8090, or configure listeners")
		}
	}
	for key, v := range map[string]float64{"queue_seconds": s.Queue, "drain_seconds": s.Drain} {
		if v != 0 && !(v >= 1 && v <= maxSeconds) { // NaN fails both
			bad(key, "out of range", "use 1 to 3600")
		}
	}
	if s.MaxUpload < 0 || s.OpenUploads < 0 || s.OpenUploads > maxRequests || !(s.KeepUploads >= 0 && s.KeepUploads <= maxHours) {
		bad("max_upload_bytes", "this, max_open_uploads or upload_hours is out of range", "use positive numbers, and at most 8760 hours")
	}
	if s.MaxBody < 0 || s.MaxBody > maxBody {
		bad("max_body_bytes", "out of range", "use at most 1073741824")
	}
	if s.MaxPixels < 0 || s.MaxPixels > maxPixels {
		bad("max_pixels", "out of range", "use at most 1073741824")
	}
	if s.MaxInFlight < 0 || s.MaxInFlight > maxRequests || s.PerMinute < 0 {
		bad("max_in_flight", "this or requests_per_minute is out of range", "use 0 to 1048576")
	}
	taken := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Listeners)) {
		one := s.Listeners[name]
		one.check(func(key, text, fix string) { bad(strings.TrimSuffix("listeners."+name+"."+key, "."), text, fix) })
		at := one.Address + " " + strings.ToLower(one.Host)
		if other := taken[at]; other != "" {
			bad("listeners."+name+".host", "the address and the host of the listener "+other, "name another host or port")
		}
		taken[at] = name
		for _, earlier := range slices.Sorted(maps.Keys(s.Listeners)) {
			if other := s.Listeners[earlier]; earlier < name && other.Address != one.Address && sameAddress(other.Address, one.Address) {
				bad("listeners."+name+".address", "the address of the listener "+earlier+" in another spelling", "write both alike, or use another port")
				break
			}
		}
		for _, other := range s.Listeners {
			if other.Address == one.Address && (other.Cert != one.Cert || other.Key != one.Key) {
				bad("listeners."+name+".cert_file", "listeners of one address have different certificates", "use one certificate for all their hosts")
				break
			}
		}
	}
}

func (l Listener) check(bad func(key, text, fix string)) {
	host, port, err := net.SplitHostPort(l.Address)
	_, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || portErr != nil:
		bad("address", "not host:port", "write it like 127.0.0.1:8090")
	case host == "":
		bad("address", "without a host", "write 0.0.0.0 for all interfaces, or 127.0.0.1 for this host")
	}
	if _, err := tenant.Parse(l.Tenant); l.Tenant != "" && err != nil {
		bad("tenant", "not a tenant", "write acme or org:tenant")
	}
	if strings.ContainsAny(l.Host, ":/ ") {
		bad("host", "not a host name", "write it without a port, like models.example.org")
	} else if strings.Trim(strings.ToLower(l.Host), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.HasSuffix(l.Host, ".") {
		bad("host", "not the name of one host", "write it whole, in ASCII and without a dot at its end; a listener without a host takes all others")
	}
	if l.Model == "" && (l.Revision != "" || l.MaxModelLen != 0) {
		bad("model", "missing, but revision or max_model_len is set", "set model, or remove them")
	}
	if l.MaxModelLen < 0 || len(l.Revision) > maxRevision {
		bad("max_model_len", "this or revision is out of range", "use a number of tokens, and at most 200 characters for revision")
	}
	if (l.Cert == "") != (l.Key == "") {
		bad("cert_file", "this or key_file is missing", "set both or neither")
	}
}

// Local reports whether only this host can reach an address.
func Local(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
