package answer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
)

// Bill reads the cost of an answer that cannot be used otherwise; known is false if the answer
// has no usage. A nil Bill means that the cost is never known.
type Bill func(answer []byte) (microUSD int64, known bool)

// Call is one request that the provider may bill.
type Call struct {
	URL    string
	Type   string // of Body; "" = application/json
	Body   []byte
	Header http.Header // additional to type, key and ledger entry
	Bill   Bill

	// Assemble converts an answer in another form, such as a stream of events, to one JSON
	// document; whole is false if the answer breaks off. nil = there are no other forms.
	Assemble func(body []byte) (answer []byte, whole bool)

	MaxBytes int64 // limit of the answer, if less than the client's limit; 0 = the client's
}

// assembled is the answer as one document, if all of it was received.
func (c Call) assembled(got reply, err error) ([]byte, error) {
	if c.Assemble == nil || !success(got.status) {
		return got.body, err
	}
	if answer, whole := c.Assemble(got.body); whole {
		return answer, nil
	}
	return got.body, err
}

// entryHeader carries the key of a call's ledger entry. OpenAI's API takes a client's
// request id in it; other servers ignore it.
const entryHeader = "X-Client-Request-Id"

// Ask makes a call once and returns the answer: a complete JSON document without an error
// in it. A failure that the provider bills is a money.Charged.
func (c *Client) Ask(ctx context.Context, call Call) ([]byte, error) {
	r, err := c.request(ctx, call)
	if err != nil {
		return nil, err
	}
	got, err := c.do(r, call)
	return got.body, err
}

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return nil, c.fault(fault.Input, "the address of the service cannot be used", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if call.Type != "" {
		r.Header.Set("Content-Type", call.Type)
	}
	c.authorize(r)
	if entry := money.EntryOf(ctx); entry != "" {
		r.Header.Set(entryHeader, entry)
	}
	maps.Copy(r.Header, call.Header)
	return r, nil
}

// Charge wraps the failure to use a received answer: it is billed at the usage in the
// answer, otherwise at the reservation. It returns nil for nil, and does not change an
// error that is charged already.
func (b Bill) Charge(answer []byte, err error) error {
	if _, charged := errors.AsType[*money.Charged](err); err == nil || charged {
		return err
	}
	if b != nil {
		if micro, known := b(answer); known {
			return money.Charge(err, micro)
		}
	}
	return money.ChargeUnknown(err)
}

// progress records how far a request was sent.
type progress struct {
	connected atomic.Bool // there is a connection: the server may see the request
	sent      atomic.Bool // the request was written completely: the server may process it even if the connection breaks
}

func (p *progress) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { p.connected.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				p.sent.Store(true)
			}
		},
	})
}

// billing is what is known about a failed call.
type billing struct {
	bill   Bill
	most   int64  // bytes of the answer
	paid   bool   // a request that a provider bills
	unseen bool   // the server has received nothing
	sent   bool   // the server has received the whole request
	status int    // of the answer; 0 = no answer
	taken  bool   // the server accepted the request, and a poll for its answer failed
	said   int    // status by an error in the body; 0 = none
	body   []byte // received part
}

// charge wraps the failure of a call as the provider bills it.
//
// Some failures cost nothing:
//   - a refusal: 4xx, 503, 529;
//   - status 500: the server reports that it has no answer, and providers bill answers;
//   - 502 and Cloudflare's 520 to 523: no answer passed the gateway, which counts the tokens.
//     They come in bursts while a server restarts; booking them would use up a budget within
//     seconds.
//
// An exception is a gateway that answers 422 or 500 because it cannot read the provider's answer,
// or because its connection to the provider broke: that answer may exist and be billed.
//
// The outcome is unknown if a proxy (408, 460, 499, 504, 524, 598) or cogflow gave up
// waiting, or the connection broke after the request was sent: the server may have
// finished. An answer with a status of 2xx is billed even if it cannot be used, unless an
// error in it reports another status.
//
// If the server reports used tokens, they are billed, whatever the status is.
func (b billing) charge(err error) error {
	if err == nil || !b.paid {
		return err
	}
	if b.unseen {
		return money.NeverSent(err)
	}
	if b.bill != nil {
		if micro, known := b.bill(b.body); known {
			return money.Charge(err, micro)
		}
	}
	status := cmp.Or(b.said, b.status)
	switch {
	case success(status), success(b.status) && counted(b.body), status == 0 && b.sent, gaveUp(status), b.taken,
		(status == http.StatusInternalServerError || status == http.StatusUnprocessableEntity) && Says(message(b.body), unread()):
		return money.ChargeUnknown(err)
	}
	return err
}

// counted reports whether an answer states used tokens.
func counted(body []byte) bool {
	u, found := money.UsageOf(body)
	return found && max(u.Input.Tokens, u.Output.Tokens) > 0
}

func gaveUp(status int) bool {
	switch status {
	case http.StatusRequestTimeout, 460, 499, http.StatusGatewayTimeout, 524, 598:
		return true
	}
	return false
}
