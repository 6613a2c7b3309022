// Package answer calls model servers over HTTP and validates their answers: servers report
// errors with status 200, truncate answers, send them a byte at a time for hours, or send the
// error page of a proxy. Anything but the expected JSON object is a fault, whose class says
// whether to retry. A circuit breaker stops calls to a server that does not answer; see
// circuit.go. The package knows neither captions nor vectors, and does not retry: the broker
// does.
package answer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
)

// Client calls one server. Make one with New.
type Client struct {
	options  Options
	http     *http.Client
	circuits sync.Map // by host: *circuit.Breaker
}

// Options of a Client.
type Options struct {
	Op          string        // name of the calls in messages: "describe frame"
	Key         string        // bearer token; empty = none
	KeyVariable string        // environment variable of the key, for messages
	Timeout     time.Duration // of one call, including the body; 0 = 2 min
	MaxBytes    int64         // of one answer; 0 = 1 MiB
	Connections int           // maximum number of idle connections; 0 = 1024

	// Redactor removes keys and addresses from the server's messages; nil = one that knows
	// only Key.
	Redactor *safetext.Redactor

	Now func() time.Time // nil = time.Now
}

// New makes a Client. It ignores proxy settings of the environment. See redirect for the
// redirects that it follows.
func New(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Minute
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 20
	}
	if o.Connections <= 0 {
		o.Connections = 1024
	}
	if o.Redactor == nil {
		o.Redactor = safetext.NewRedactor([]string{o.Key}, nil)
	}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		MaxIdleConnsPerHost: o.Connections,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true,
	}
	return &Client{options: o, http: &http.Client{
		Transport:     transport,
		CheckRedirect: redirect,
	}}
}

// Redactor removes keys from decoded texts. They are removed from the raw answer before,
// but decoding can join the parts of a key.
func (c *Client) Redactor() *safetext.Redactor { return c.options.Redactor }

// HTTP returns a client with the same transport and the same checks and limits, for
// libraries that make their own requests.
func (c *Client) HTTP() *http.Client {
	return &http.Client{Transport: (*checked)(c), CheckRedirect: c.http.CheckRedirect}
}

// checked is the transport of HTTP: it returns status 200 and a complete body, or an error.
type checked Client

// RoundTrip implements http.RoundTripper.
func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	got, err := (*Client)(c).do(r, Call{})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: got.header,
		Body: io.NopCloser(bytes.NewReader(got.body)), ContentLength: int64(len(got.body)), Request: r,
	}, nil
}

// Post sends body as JSON and decodes the answer into out, a pointer.
func (c *Client) Post(ctx context.Context, url string, body, out any) error {
	return c.PostUpTo(ctx, c.options.MaxBytes, url, body, out)
}

// PostUpTo is Post for an answer of at most most bytes, if that is less than the client's
// limit.
func (c *Client) PostUpTo(ctx context.Context, most int64, url string, body, out any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := c.Ask(ctx, Call{URL: url, Body: data, MaxBytes: most})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return money.ChargeUnknown(c.undecodable(err))
	}
	return nil
}

// Get requests a document, which costs nothing, and decodes it into out, a pointer.
func (c *Client) Get(ctx context.Context, url string, out any) error {
	return c.get(ctx, url, nil, out)
}

func (c *Client) get(ctx context.Context, url string, header http.Header, out any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return c.fault(fault.Input, "the address of the service cannot be used", err)
	}
	if len(header) > 0 {
		r.Header = header
	} else {
		c.authorize(r)
	}
	got, err := c.do(r, Call{})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(got.body, out); err != nil {
		return c.undecodable(err)
	}
	return nil
}

func (c *Client) authorize(r *http.Request) {
	if c.options.Key != "" {
		r.Header.Set("Authorization", "Bearer "+c.options.Key)
	}
}

func (c *Client) undecodable(err error) error {
	return c.fault(fault.Transport, "the answer has an unexpected form", err)
}

// do makes a call and returns a complete JSON object without an error in it. The failure of
// a request with a body has the provider's charge; see bill.go.
func (c *Client) do(r *http.Request, call Call) (reply, error) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), c.options.Timeout, errSlow)
	defer cancel()
	o, err := c.open(ctx, r, call)
	if err != nil {
		return reply{}, err
	}
	return o.whole()
}

// whole returns a fault for an answer that is not the expected JSON object.
func (c *Client) whole(got reply, b *billing) error {
	data := got.body
	if !success(got.status) {
		return c.status(got)
	}
	switch {
	case int64(len(data)) > b.most:
		return c.tooLarge(b.most)
	case !json.Valid(data):
		f := c.fault(fault.Transport, "the answer is not JSON: "+c.excerpt(string(data)), nil)
		if events(data) {
			f.Reason = "the stream of events breaks off"
		}
		if page(data) {
			f.Err = circuit.ErrAway
		}
		return f
	}
	if f, status := c.within(got.header, data); f != nil {
		b.said = status
		return f
	}
	return nil
}

// within is the fault of an error in an answer or an event with status 200; status is the one
// that the error means, 0 = none. nil = there is no error in it.
func (c *Client) within(header http.Header, data []byte) (f *fault.Error, status int) {
	text, status := c.reported(data)
	const prefix = "the server answers 200 with an error: "
	switch {
	case text == "":
		return nil, 0
	case status == 0:
		return c.fault(fault.Transport, prefix+text, nil), 0
	}
	// A gateway that had already sent status 200 reports the real status in the body.
	f = c.status(reply{status: status, header: header, body: data})
	f.Reason = prefix + f.Reason
	return f, status
}

func (c *Client) tooLarge(most int64) *fault.Error {
	return c.fault(fault.Transport, fmt.Sprintf("the answer is longer than %d bytes", most), nil)
}

// reply is a response with any status.
type reply struct {
	status int
	header http.Header
	body   []byte // at most one byte more than the limit
	at     *url.URL
}

func success(status int) bool { return status >= 200 && status <= 299 }

var errSlow = errors.New("no whole answer in time")

// broken classifies a call that was not answered.
func (c *Client) broken(ctx, caller context.Context, err error) error {
	switch {
	case caller.Err() != nil:
		return caller.Err()
	case errors.Is(context.Cause(ctx), errSlow):
		return &fault.Error{
			Class: fault.Transport, Op: c.options.Op,
			Reason: "no whole answer within " + c.options.Timeout.String(), Err: ErrTimeout,
		}
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address, which may be long
	}
	return c.fault(fault.Transport, "", err)
}

// ErrTimeout marks a call that the server did not answer in time. The concurrency limit
// counts it as a refusal.
var ErrTimeout = errors.New("timeout")

// status makes the fault of an HTTP status.
func (c *Client) status(r reply) *fault.Error {
	said := message(r.body)
	f := c.fault(fault.StatusClass(r.status), fmt.Sprintf("status %d: %s", r.status, c.excerpt(said)), nil)
	f.RetryAfter = wait(r.header, r.body, said, time.Now())
	explain(f, r.status, said)
	switch code := r.status; {
	case errors.Is(f.Err, ErrFiltered), f.Class == fault.Auth && Says(said, abroad()):
	case code == http.StatusForbidden && page(r.body):
		f.Class = fault.Input // a firewall refuses this request because of its text
	case code == http.StatusUnauthorized, code == http.StatusForbidden, f.Class == fault.Auth && Says(said, []string{"api key", "api_key"}):
		f.Reason = fmt.Sprintf("status %d: the key is refused or missing", r.status) // the message may repeat the key
		if c.options.KeyVariable != "" {
			f.Reason += "; check " + c.options.KeyVariable
		}
	case code >= 300 && code < 400:
		f.Reason = c.redirected(r)
	case code < http.StatusOK: // of another protocol, which nothing asked for
		f.Class = fault.Transport
	}
	return f
}

// fault makes a fault. It names neither the server nor its address, which must not be in
// histories and reports; see About.
func (c *Client) fault(class fault.Class, reason string, err error) *fault.Error {
	return &fault.Error{Class: class, Op: c.options.Op, Reason: reason, Err: c.options.Redactor.Error(err)}
}

// About completes a fault of a Client whose calls are for op: it adds the subject of the
// call, such as a model, and removes the wrapping of net/http, which holds the address of
// the server.
func About(op, subject string, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok && money.IsCharged(err) == money.IsCharged(e.Err) && money.Unsent(err) == money.Unsent(e.Err) {
		err = e.Err
	}
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Op == op && f.Subject == "" {
		return Amend(err, func(f *fault.Error) { f.Subject = subject })
	}
	return err
}

// Amend returns err with its fault changed and the same charge. It changes a copy, because
// the calls of a batch share one error. A fault with another wrapping is not changed.
func Amend(err error, change func(f *fault.Error)) error {
	switch e := err.(type) { //nolint:errorlint // each layer is copied, so each is looked at
	case *fault.Error:
		amended := *e
		change(&amended)
		return &amended
	case *money.Charged:
		amended := *e
		amended.Err = Amend(e.Err, change)
		return &amended
	case *money.NotSent:
		return money.NeverSent(Amend(e.Err, change))
	}
	return err
}
