package answer

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/money"
)

// Opened is an answer with a status of success whose body has not been read. Read it by Whole, or
// by Events; then close it.
type Opened struct {
	Header http.Header

	c        *Client
	call     Call
	caller   context.Context //nolint:containedctx // of the request
	ctx      context.Context //nolint:containedctx // with the timeout of the client
	breaker  *circuit.Breaker
	billing  billing
	progress progress
	response *http.Response
}

// Open makes a call as Ask does, and returns when the head of its answer has arrived. The timeout
// of the client does not apply: ctx ends the call.
func (c *Client) Open(ctx context.Context, call Call) (*Opened, error) {
	r, err := c.request(ctx, call)
	if err != nil {
		return nil, err
	}
	return c.open(ctx, r, call)
}

// open sends a request. An answer with another status than success is read, and is a failure.
func (c *Client) open(ctx context.Context, r *http.Request, call Call) (*Opened, error) {
	o := &Opened{c: c, call: call, caller: r.Context(), ctx: ctx, breaker: c.circuit(r.URL.Host)}
	o.billing = billing{bill: call.Bill, paid: r.Method != http.MethodGet, most: c.options.MaxBytes}
	if call.MaxBytes > 0 {
		o.billing.most = min(o.billing.most, call.MaxBytes)
	}
	if err := c.enter(r, o.breaker); err != nil {
		o.billing.unseen = true
		return nil, o.billing.charge(err)
	}
	r = r.WithContext(o.progress.traced(ctx))
	r.Header = r.Header.Clone()
	r.Header.Set("Accept-Encoding", "identity")
	response, err := c.http.Do(r) //nolint:bodyclose // Close does
	if err != nil {
		return nil, o.broken(err)
	}
	o.response, o.Header = response, response.Header
	o.billing.taken = response.Request.Method != r.Method || response.StatusCode == http.StatusSeeOther
	if !success(response.StatusCode) {
		_, err := o.whole()
		return nil, err
	}
	return o, nil
}

// Close closes the body.
func (o *Opened) Close() { _ = o.response.Body.Close() } // it was only read

// Whole reads the rest of the answer, and returns what Ask returns.
func (o *Opened) Whole() ([]byte, error) {
	got, err := o.whole()
	return got.body, err
}

func (o *Opened) whole() (reply, error) {
	defer o.Close()
	got, err := o.read()
	got.body, err = o.call.assembled(got, err)
	if o.billing.paid {
		money.Record(o.caller, money.UsedIn(got.body))
	}
	o.billing.status, o.billing.body = got.status, got.body
	if err != nil {
		return reply{}, o.broken(err)
	}
	o.billing.sent = true
	recordReply(o.breaker, got)
	if err := o.c.whole(got, &o.billing); err != nil {
		return reply{}, o.billing.charge(err)
	}
	return got, nil
}

// perToken is the size of a stream relative to its answer, for the limit of an answer: each
// token is sent in an event of its own.
const perToken = 4

// read returns the received part, even if the answer breaks off. The limit is higher for a
// stream that can be assembled.
func (o *Opened) read() (reply, error) {
	if o.response.StatusCode < http.StatusOK { // the rest is another protocol, and may never end
		return reply{o.response.StatusCode, o.Header, nil, o.response.Request.URL}, nil
	}
	most := o.billing.most
	if o.call.Assemble != nil && o.streams() {
		most *= perToken
	}
	body, err := readBody(o.response, most+1)
	if !success(o.response.StatusCode) {
		err = nil // the status is enough
	}
	// A server may repeat its input. The key is removed here, before the message is read,
	// truncated or stored.
	return reply{o.response.StatusCode, o.Header, o.c.options.Redactor.Answer(body), o.response.Request.URL}, err
}

// broken is the failure of a call whose answer breaks off, or does not come.
func (o *Opened) broken(err error) error {
	if o.caller.Err() == nil {
		o.breaker.Fail(circuit.Pass{})
	}
	o.billing.unseen, o.billing.sent = !o.progress.connected.Load(), o.progress.sent.Load()
	return o.billing.charge(o.c.broken(o.ctx, o.caller, err))
}

func (o *Opened) streams() bool {
	return strings.HasPrefix(o.Header.Get("Content-Type"), "text/event-stream")
}

// Events returns the body as a stream of events. ok is false if it is none, by its first byte: then
// Whole reads it. Servers name either one wrongly.
func (o *Opened) Events() (events *bufio.Reader, ok bool) {
	plain, err := inflated(o.response)
	if err != nil {
		return nil, false
	}
	events = bufio.NewReader(plain) // the reader of plain text itself: thousands of streams may be open
	o.response.Body = struct {
		io.Reader
		io.Closer
	}{events, o.response.Body}
	const mark = "\ufeff"
	if start, _ := events.Peek(len(mark)); string(start) == mark {
		_, _ = events.Discard(len(mark)) // it was read
	}
	for {
		start, err := events.Peek(1)
		switch {
		case err != nil:
			return events, o.streams()
		case bytes.ContainsAny(start, " \t\r\n"):
			_, _ = events.Discard(1) // it was read
			continue
		case bytes.ContainsAny(start, "deir"): // data, event, id, retry
			o.breaker.Succeed(circuit.Pass{})
			return events, true
		}
		return events, start[0] == ':' && o.streams()
	}
}

// Text reads the rest of the answer, whose form the caller knows.
func (o *Opened) Text() ([]byte, error) {
	data, err := readBody(o.response, o.billing.most+1)
	o.billing.status, o.billing.body = o.response.StatusCode, data
	switch {
	case err != nil:
		return nil, o.broken(err)
	case int64(len(data)) > o.billing.most:
		return nil, o.billing.charge(o.c.tooLarge(o.billing.most))
	}
	o.breaker.Succeed(circuit.Pass{})
	return o.c.options.Redactor.Answer(data), nil
}

// Failure is the failure that an event reports, with its charge; nil = it reports none.
func (o *Opened) Failure(event []byte) error {
	if event == nil {
		return nil
	}
	f, status := o.c.within(o.Header, event)
	if f == nil {
		return nil
	}
	b := o.billing
	b.status, b.said, b.sent, b.body = o.response.StatusCode, status, true, event
	return b.charge(f)
}
