// Package fetch downloads from URLs that strangers wrote. It refuses to become their
// hand inside the network: the address is checked when the connection is made, so
// neither a name that changes its address nor a redirect helps. It does not know what
// it downloads.
//
// It does not use github.com/doyensec/safeurl: that library makes the same check in the
// same place (net.Dialer.Control), and the limits of bytes, time and rate, the error
// classes and the test resolver would still be our own.
package fetch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

const (
	op           = "fetch"
	maxRedirects = 5
)

// Options of a client. The zero value is the strictest useful setting.
type Options struct {
	AllowHTTP bool          // also http://, and redirects within it
	Allowed   []string      // host:port of configured endpoints, which may be private
	MaxBytes  int64         // of a body; 0 = 100 GiB
	Timeout   time.Duration // of a whole download; 0 = 6 h
	Stall     time.Duration // a window in which MinBytes must arrive; 0 = 30 s
	MinBytes  int64         // 0 = 32 KiB
	// Lookup resolves names; nil = the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Transport changes the transport, for a test that needs other roots; may be nil.
	Transport func(*http.Transport)
}

// Client fetches. Make one with New; it is safe for concurrent use.
type Client struct {
	options Options
	http    *http.Client
}

// Info describes what was fetched.
type Info struct {
	URL  string // after redirects, without its query
	Size int64  // bytes
	ETag string
	Type string // Content-Type, as the server says
}

// New makes a client that ignores the proxy variables of the environment.
func New(o Options) *Client {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 100 << 30
	}
	if o.Timeout <= 0 {
		o.Timeout = 6 * time.Hour
	}
	if o.Stall <= 0 {
		o.Stall = 30 * time.Second
	}
	if o.MinBytes <= 0 {
		o.MinBytes = 32 << 10
	}
	if o.Lookup == nil {
		o.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	c := &Client{options: o}
	transport := &http.Transport{
		Proxy: nil, DialContext: c.dial, DisableCompression: true, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 20 * time.Second, ResponseHeaderTimeout: time.Minute,
		MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute,
	}
	if o.Transport != nil {
		o.Transport(transport)
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: c.redirect}
	return c
}

func (c *Client) redirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fault.New(fault.Input, op, Printable(r.URL), "more than 5 redirects")
	}
	if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return fault.New(fault.Input, op, Printable(r.URL), "a redirect leads from https to "+r.URL.Scheme)
	}
	if err := c.check(r.URL); err != nil {
		return err
	}
	if permit, ok := r.Context().Value(permitKey{}).(func(*url.URL) error); ok {
		return permit(r.URL)
	}
	return nil
}

func (c *Client) allowed(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		port = defaultPort(u)
	}
	return slices.Contains(c.options.Allowed, net.JoinHostPort(u.Hostname(), port))
}

// dial tries each address of a host. Control checks the address that the system is about to
// connect to.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 20 * time.Second}
	if !slices.Contains(c.options.Allowed, address) {
		d.Control = func(_, address string, _ syscall.RawConn) error { return checkConnected(host, address) }
	}
	addresses := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addresses = append(addresses, a)
	} else if addresses, err = c.options.Lookup(ctx, host); err != nil {
		return nil, err
	}
	err = fault.New(fault.Input, op, host, "the host has no address")
	for _, a := range addresses {
		var conn net.Conn
		if conn, err = d.DialContext(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func checkConnected(host, address string) error {
	a, err := netip.ParseAddrPort(address)
	if err == nil && public(a.Addr()) {
		return nil
	}
	return fault.New(fault.Input, op, host, "it leads to an address that is not on the public internet")
}

// fail classifies the client's error. The URL is removed from the cause, which would
// include its query.
func fail(ctx context.Context, u *url.URL, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if cause := context.Cause(ctx); fault.ClassOf(cause) != "" {
		return cause
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return fault.New(fault.Input, op, Printable(u), "no such host")
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fault.Wrap(fault.Transport, op, Printable(u), err)
}
