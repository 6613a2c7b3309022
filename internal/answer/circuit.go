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
	circuitFailures = 5                // calls without an answer, one after another
	tryEvery        = 10 * time.Second // at most, and what a try may take
)

// circuit returns the breaker of a host: a client of one service may call two.
func (c *Client) circuit(host string) *circuit.Breaker {
	if b, ok := c.circuits.Load(host); ok {
		return b.(*circuit.Breaker)
	}
	b, _ := c.circuits.LoadOrStore(host, circuit.New(circuit.Options{
		Failures: circuitFailures, Most: tryEvery, Now: c.options.Now,
	}))
	return b.(*circuit.Breaker)
}

// enter refuses a call to a server that is down. That is overload, which is
// waited out and uses up no attempt: a server that is away for ten minutes must
// cost ten minutes, not the videos of that time.
//
// A server is tried with a GET of the address that is to be called. Any answer
// of its own will do, 405 as a rule. The call itself would be a bad try: it can
// be the one that kills the server, and a half-open connection would hold it for
// its whole deadline.
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

// try asks whether anybody answers.
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

// tell notes what an answer says about the server: a proxy may have given it. A
// 503 says either that it is busy or that it is away, and is waited out anyway.
func tell(b *circuit.Breaker, got reply) {
	switch {
	case away(got.status), success(got.status) && page(got.body):
		b.Fail(circuit.Pass{})
	case got.status != http.StatusServiceUnavailable:
		b.Succeed(circuit.Pass{})
	}
}

// page reports whether an answer is no JSON from its first byte on, nor the events
// of a stream: a proxy shows a page, as it does while the server is maintained.
func page(body []byte) bool {
	start := bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(start) == 0 || bytes.IndexByte([]byte(`{["`), start[0]) >= 0 {
		return false
	}
	for _, field := range []string{"data:", "event:", "id:", "retry:", ":"} {
		if bytes.HasPrefix(start, []byte(field)) {
			return false
		}
	}
	return !json.Valid(start)
}

func away(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusGatewayTimeout
}
