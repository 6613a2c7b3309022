package answer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/safetext"
)

const (
	circuitFailures = 5                // consecutive calls without an answer
	tryEvery        = 10 * time.Second // maximum interval of probes, and timeout of a probe
)

// circuit returns the breaker of a host: a client of one service may call two hosts.
func (c *Client) circuit(host string) *circuit.Breaker {
	if b, ok := c.circuits.Load(host); ok {
		return b.(*circuit.Breaker)
	}
	b, _ := c.circuits.LoadOrStore(host, circuit.New(circuit.Options{
		Failures: circuitFailures, Most: tryEvery, Now: c.options.Now,
	}))
	return b.(*circuit.Breaker)
}

// enter refuses a call to a server that is down. The class is overload, which waits without
// using up attempts: an outage of ten minutes must only delay jobs, not fail them.
//
// A server is probed with a GET of the address of the call. Any response of the server itself
// counts, usually 405. The call itself would be a bad probe: it may be the cause of the crash,
// and a half-open connection would block it for its whole timeout.
func (c *Client) enter(r *http.Request, b *circuit.Breaker) error {
	pass, wait := b.Enter()
	switch {
	case wait > 0:
		return c.down(b, wait, nil)
	case !pass.Try():
		return nil
	}
	err := c.try(r.Context(), r.URL.String())
	switch {
	case r.Context().Err() != nil:
		b.Leave(pass)
		return r.Context().Err()
	case err != nil:
		b.Fail(pass)
		return c.down(b, time.Second, err)
	}
	b.Succeed(pass)
	return nil
}

func (c *Client) down(b *circuit.Breaker, wait time.Duration, err error) error {
	reason := "it does not answer for " + b.Down().Round(time.Second).String()
	if err != nil {
		reason += " (" + c.options.Redactor.Reply(err.Error(), safetext.MaxReason) + ")"
	}
	f := c.fault(fault.Overload, reason, circuit.ErrOpen)
	f.RetryAfter = wait
	return f
}

// try probes whether the server answers.
func (c *Client) try(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, tryEvery)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := c.http.Transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if away(response.StatusCode) || response.StatusCode == http.StatusServiceUnavailable {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// recordReply reports to the breaker whether an answer came from the server or from a proxy.
// A 503 means busy or down; both are waited out.
func recordReply(b *circuit.Breaker, got reply) {
	switch {
	case away(got.status), success(got.status) && page(got.body):
		b.Fail(circuit.Pass{})
	case got.status != http.StatusServiceUnavailable:
		b.Succeed(circuit.Pass{})
	}
}

// page reports whether an answer, by its first byte, is neither JSON nor a stream of events: a
// proxy sends such a page during maintenance.
func page(body []byte) bool {
	start := begin(body)
	if len(start) == 0 || bytes.IndexByte([]byte(`{["`), start[0]) >= 0 {
		return false
	}
	return !events(body) && !json.Valid(start)
}

// events reports whether an answer begins as a stream of events does.
func events(body []byte) bool {
	start := begin(body)
	for _, field := range []string{"data:", "event:", "id:", "retry:", ":"} {
		if bytes.HasPrefix(start, []byte(field)) {
			return true
		}
	}
	return false
}

func begin(body []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), " \t\r\n")
}

func away(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusGatewayTimeout
}
