package upstream

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// job is the job of the gateway's entries in the ledger.
const job = "gateway"

const op = "call model"

const (
	maxAnswer  = 64 << 20
	maxMessage = 64 << 10 // of a failure
)

// exchange is one attempt of a request at one server.
type exchange struct {
	d        *Dispatcher
	s        *server
	q        *Request
	caller   api.Caller
	model    string
	w        http.ResponseWriter
	patience *patience
	price    *money.Price
	reserved int64

	sent   bool // the caller has a part of the answer
	answer []byte
	media  string
}

// do makes the attempt through the broker, and answers the caller.
func (x *exchange) do() error {
	if x.s.missing != nil {
		return x.s.missing
	}
	who := job
	if x.caller.Key != "" {
		who += ":" + x.caller.Key
	}
	c := video.PaidCall{
		Call: video.Call{
			Tenant: x.caller.Tenant, Job: job, Workflow: who, Kind: x.q.Use.Kind, Model: x.model,
			Fingerprint: video.NewFingerprint("gateway", x.caller.Request, rand.Text()), Unique: true,
		},
		Endpoint: x.s.Server(), Once: true, Ticket: x.d.broker.Ticket(), Limit: x.s.limit.Limit,
		Prepare: func(context.Context) (video.Ask, error) { return x.ask, nil },
	}
	if !x.q.Use.Free {
		x.price = x.d.prices(x.s.Endpoint, x.model)
		if c.Unpriced = x.price == nil; !c.Unpriced {
			x.reserved = x.q.tokens.Reserved(*x.price)
			c.CostMicroUSD = x.reserved
		}
	}
	leave := x.s.enter()
	_, err := x.d.broker.Do(x.patience.ctx, c)
	class := fault.ClassOf(err)
	leave(class == fault.Transport, err == nil || class == fault.Transport)
	if err != nil || x.sent {
		return err
	}
	x.w.Header().Set("Content-Type", x.media)
	x.w.Header().Set("Content-Length", strconv.Itoa(len(x.answer)))
	if _, err = x.w.Write(x.answer); err != nil {
		return err
	}
	// Before the door writes its log. A route that changes answers has a writer that keeps them.
	if err = http.NewResponseController(x.w).Flush(); errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// ask makes the request. The broker calls it once.
func (x *exchange) ask(ctx context.Context) (out video.PaidAnswer, err error) {
	x.patience.working()
	done, worked := x.s.limit.Begin(), x.s.gpu.begin()
	defer func() {
		money.Record(ctx, money.Used{GPUMS: worked().Milliseconds()})
		switch fault.ClassOf(err) {
		case "":
			done(limit.Answered)
		case fault.Overload:
			done(limit.Refused)
		default:
			done(limit.Failed)
		}
		if err != nil && !x.sent {
			x.patience.waiting()
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(x.s.Timeout, func() { cancel(errSlow) })
	defer watch.Stop()
	response, err := x.send(ctx)
	if err != nil {
		return out, err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return out, x.refused(response)
	}
	var cost int64
	if x.q.Stream {
		cost, err = x.relay(ctx, response, watch)
	} else {
		cost, err = x.whole(ctx, response)
	}
	return video.PaidAnswer{CostMicroUSD: cost, Store: func(context.Context) error { return nil }}, err
}

var errSlow = errors.New("no answer in time")

func (x *exchange) send(ctx context.Context) (*http.Response, error) {
	name := x.model
	if served := x.s.Names[name]; served != "" {
		name = served
	}
	body, media, err := x.q.body(name)
	if err != nil {
		return nil, money.NeverSent(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.q.Use.url(x.s.Endpoint), bytes.NewReader(body))
	if err != nil {
		return nil, money.NeverSent(fault.New(fault.Input, op, x.model, "the address of its endpoint cannot be used"))
	}
	r.Header.Set("Content-Type", media)
	r.Header.Set("X-Request-Id", x.caller.Request)
	if x.s.key != "" {
		r.Header.Set("Authorization", "Bearer "+x.s.key)
	}
	if entry := money.EntryOf(ctx); entry != "" {
		r.Header.Set("X-Client-Request-Id", entry)
	}
	response, err := x.s.http.Do(r)
	if err == nil {
		return response, nil
	}
	if opErr, ok := errors.AsType[*net.OpError](err); ok && opErr.Op == "dial" && ctx.Err() == nil {
		return nil, money.NeverSent(&fault.Error{Class: fault.Transport, Op: op, Subject: x.model, Reason: "its server cannot be reached", Err: circuit.ErrOpen})
	}
	return nil, x.broken(ctx, "the connection broke before an answer", 0, money.Usage{})
}

// broken is the failure of a request that was sent: the provider may bill it.
func (x *exchange) broken(ctx context.Context, reason string, written int, u money.Usage) error {
	if errors.Is(context.Cause(ctx), errSlow) {
		reason = "no answer in " + x.s.Timeout.String()
	}
	var failure error = fault.New(fault.Transport, op, x.model, reason)
	if x.sent || ctx.Err() != nil && !errors.Is(context.Cause(ctx), errSlow) {
		failure = fmt.Errorf("%s %q: %s", op, x.model, reason) // without a class: it is not repeated
	}
	if written == 0 && !u.Input.Said {
		return money.ChargeUnknown(failure)
	}
	return money.Charge(failure, x.cost(u, written))
}

// cost is what a usage costs, or an estimate from above if the server reports none.
func (x *exchange) cost(u money.Usage, written int) int64 {
	if x.price == nil {
		return 0
	}
	s := x.q.tokens.Settle(u, written)
	return min(x.price.Cost(s.Input, s.Output), x.reserved)
}

// refused is the failure of a request that the server refused.
func (x *exchange) refused(response *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(response.Body, maxMessage))
	if err != nil {
		data = nil
	}
	said := safetext.Line(message(data), safetext.MaxReason)
	if x.s.key != "" {
		said = strings.ReplaceAll(said, x.s.key, "(key)")
	}
	f := &fault.Error{Class: fault.StatusClass(response.StatusCode), Op: op, Subject: x.model, Reason: fmt.Sprintf("status %d: %s", response.StatusCode, said)}
	switch {
	case response.StatusCode == http.StatusNotFound, response.StatusCode < 400:
		// The gateway's configuration is wrong, not the request: 404 would mean "not deployed".
		f.Err = errors.Join(fault.ErrNotServed, &api.Error{Status: http.StatusBadGateway, Code: "upstream_failed", Message: f.Error()})
	case f.Class == fault.Input:
		f.Err = &api.Error{Status: response.StatusCode, Code: "upstream_refused", Message: said}
	case f.Class == fault.Auth:
		f.Reason = fmt.Sprintf("status %d: the key of the endpoint %s is refused or missing", response.StatusCode, x.s.Name)
	case f.Class == fault.Overload:
		if seconds, err := strconv.ParseFloat(response.Header.Get("Retry-After"), 64); err == nil && seconds >= 0 && seconds < 1e6 {
			f.RetryAfter = time.Duration(seconds * float64(time.Second))
		}
	}
	return f
}

// message finds the message of a failure in the usual documents.
func message(data []byte) string {
	var said struct {
		Error   json.RawMessage `json:"error"`
		Detail  json.RawMessage `json:"detail"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(data, &said) != nil {
		return string(data)
	}
	for _, raw := range []json.RawMessage{said.Error, said.Detail, said.Message} {
		var text string
		var inner struct {
			Message string `json:"message"`
		}
		switch {
		case json.Unmarshal(raw, &text) == nil && text != "":
			return text
		case json.Unmarshal(raw, &inner) == nil && inner.Message != "":
			return inner.Message
		}
	}
	return string(data)
}

// whole reads an answer that is not streamed, and checks that it is one: servers report failures
// with status 200, or break off.
func (x *exchange) whole(ctx context.Context, response *http.Response) (int64, error) {
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return 0, x.broken(ctx, "the answer breaks off", len(data), money.Usage{})
	}
	if len(data) > maxAnswer {
		return 0, x.broken(ctx, fmt.Sprintf("the answer is longer than %d bytes", maxAnswer), len(data), money.Usage{})
	}
	x.media = response.Header.Get("Content-Type")
	if x.q.Use.Path == Transcribe.Path && strings.HasPrefix(x.media, "text/") && !strings.HasPrefix(x.media, "text/html") {
		x.answer = data // the caller asked for text or subtitles
		return x.cost(money.Usage{}, len(data)), nil
	}
	x.media = "application/json"
	var said struct {
		Error   json.RawMessage   `json:"error"`
		Choices []json.RawMessage `json:"choices"`
		Usage   money.Usage       `json:"usage"`
	}
	if len(data) == 0 || data[0] != '{' && bytes.TrimLeft(data, " \t\r\n")[:1][0] != '{' || json.Unmarshal(data, &said) != nil {
		return 0, x.broken(ctx, "the answer is not a JSON object", len(data), money.Usage{})
	}
	if failed := string(said.Error); failed != "" && failed != "null" {
		return 0, fault.New(fault.Transport, op, x.model, "the server answers 200 with an error: "+safetext.Line(message(data), safetext.MaxReason))
	}
	if x.q.Use.Kind == kindComplete && !x.q.Use.Free && len(said.Choices) == 0 {
		return 0, x.broken(ctx, "the answer has no choices", len(data), said.Usage)
	}
	money.Record(ctx, said.Usage.Used())
	x.answer = data
	written := len(data)
	if x.q.Use.Kind != kindComplete {
		written = 0 // vectors are no output
	}
	return x.cost(said.Usage, written), nil
}
