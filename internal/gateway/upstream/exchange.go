package upstream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// job is the job of the gateway's entries in the ledger.
const job = "gateway"

const op = "call model"

const maxAnswer = 64 << 20

// exchange is one attempt of a request at one server.
type exchange struct {
	d        *Dispatcher
	s        *server
	q        *Request
	caller   api.Caller
	model    string
	w        http.ResponseWriter
	turn     *turn
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
	_, err := x.d.broker.Do(x.turn.ctx, c)
	class := fault.ClassOf(err)
	if failed := class == fault.Transport; errors.Is(err, money.ErrUnreserved) {
		leave(false, false) // the server was not asked
	} else {
		leave(failed, err == nil || failed)
	}
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
	x.turn.working()
	worked := x.s.gpu.begin()
	cost, err := answer.Measure(x.s.limit, func() (int64, error) { return x.call(ctx) })
	money.Record(ctx, money.Used{GPUMS: worked().Milliseconds()})
	if err != nil && !x.sent {
		x.turn.waiting()
	}
	return video.PaidAnswer{CostMicroUSD: cost, Store: func(context.Context) error { return nil }}, x.about(err)
}

// call sends the request and reads its answer.
func (x *exchange) call(ctx context.Context) (cost int64, err error) {
	name := x.model
	if served := x.s.Names[name]; served != "" {
		name = served
	}
	body, media, err := x.q.body(name)
	if err != nil {
		return 0, money.NeverSent(err)
	}
	call := answer.Call{
		URL: x.q.Use.url(x.s.Endpoint), Type: media, Body: body, Header: http.Header{"X-Request-Id": {x.caller.Request}}, Bill: chat.Bill(x.price, x.q.tokens),
	}
	switch {
	case x.q.Use.Path == Chat.Path && x.q.Stream:
		call.Assemble = assemble
		return x.stream(ctx, call)
	case x.q.Stream:
		return x.stream(ctx, call)
	case x.q.Use.Path == Chat.Path:
		call.Assemble = assemble
	case x.q.Use.Path == Transcribe.Path:
		return x.transcription(ctx, call)
	}
	data, err := x.s.client.Ask(ctx, call)
	if err != nil {
		return 0, err
	}
	return x.whole(ctx, call, data)
}

// assemble makes one document of an answer in another form. An answer that needs no change gets none.
func assemble(body []byte) ([]byte, bool) {
	var usual struct {
		Choices []json.RawMessage `json:"choices"`
	}
	if json.Unmarshal(body, &usual) == nil && len(usual.Choices) > 0 {
		return body, true
	}
	return chat.Assemble(body)
}

// whole checks a document, and keeps it for the caller.
func (x *exchange) whole(ctx context.Context, call answer.Call, data []byte) (int64, error) {
	x.media = "application/json"
	var said struct {
		results
		Usage money.Usage `json:"usage"`
	}
	written := 0 // vectors are no output
	switch {
	case x.q.Use.Path == Chat.Path:
		got, err := chat.Read(x.s.client.Redactor(), data)
		if err == nil && got.None() {
			err = errors.New("the answer is empty")
		}
		if err != nil {
			return 0, x.unusable(call, data, err.Error())
		}
		said.Usage, written = got.Usage, got.Written
	case json.Unmarshal(data, &said) != nil:
		return 0, x.unusable(call, data, "the answer is not a JSON object")
	case x.q.Use.Kind == kindComplete && !x.q.Use.Free:
		written = len(data)
	}
	if lacks := said.lacks(x.q.Use); x.q.Use.Path != Chat.Path && lacks != "" {
		return 0, x.unusable(call, data, "the answer has no "+lacks+": "+x.s.client.Redactor().Line(string(data), safetext.MaxReason))
	}
	money.Record(ctx, said.Usage.Used())
	x.answer = data
	return x.cost(said.Usage, written), nil
}

// unusable is the failure of an answer that was received, and is billed.
func (x *exchange) unusable(call answer.Call, data []byte, reason string) error {
	return call.Bill.Charge(data, &fault.Error{Class: fault.Transport, Op: op, Reason: reason})
}

// transcription reads an answer that is a document, a text or subtitles, as the caller has asked.
func (x *exchange) transcription(ctx context.Context, call answer.Call) (int64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, x.s.Timeout, errSlow)
	defer cancel()
	opened, err := x.s.client.Open(ctx, call)
	if err != nil {
		return 0, x.slow(ctx, err)
	}
	defer opened.Close()
	media := opened.Header.Get("Content-Type")
	// No browser shows these as a page, or runs them.
	if kind, _, err := mime.ParseMediaType(media); err != nil || kind != "text/plain" && kind != "text/vtt" {
		data, err := opened.Whole()
		if err != nil {
			return 0, x.slow(ctx, err)
		}
		return x.whole(ctx, call, data)
	}
	data, err := opened.Text()
	if err != nil {
		return 0, x.slow(ctx, err)
	}
	x.media, x.answer = media, data
	return x.cost(money.Usage{}, len(data)), nil
}

var errSlow = errors.New("no answer in time")

// slow names the timeout of an endpoint as the cause of a failure, if it is.
func (x *exchange) slow(ctx context.Context, err error) error {
	if !errors.Is(context.Cause(ctx), errSlow) {
		return err
	}
	return money.ChargeUnknown(&fault.Error{Class: fault.Transport, Op: op, Reason: "no answer in " + x.s.Timeout.String(), Err: answer.ErrTimeout})
}

// broken is the failure of a stream that had begun: the provider may bill it.
func (x *exchange) broken(ctx context.Context, reason string, s *stream) error {
	var failure error = &fault.Error{Class: fault.Transport, Op: op, Reason: reason}
	if errors.Is(context.Cause(ctx), errSlow) {
		failure = &fault.Error{Class: fault.Transport, Op: op, Reason: "nothing more in " + x.s.Timeout.String(), Err: answer.ErrTimeout}
	} else if x.sent || ctx.Err() != nil {
		failure = fmt.Errorf("%s %q: %s", op, x.model, reason) // without a class: it is not repeated
	}
	if s.written == 0 && !s.usage.Input.Said {
		return money.ChargeUnknown(failure)
	}
	return money.Charge(failure, x.cost(s.usage, s.written))
}

// cost is what a usage costs, or an estimate from above if the server reports none.
func (x *exchange) cost(u money.Usage, written int) int64 {
	if x.price == nil {
		return 0
	}
	s := x.q.tokens.Settle(u, written)
	return min(x.price.Cost(s.Input, s.Output), x.reserved)
}

// about completes a failure for the caller: the model, and a code that clients know.
func (x *exchange) about(err error) error {
	return answer.Amend(answer.About(op, x.model, err), func(f *fault.Error) {
		tell := func(status int, code string) {
			f.Err = errors.Join(f.Err, &api.Error{Status: status, Code: code, Message: f.Error()})
		}
		switch {
		case errors.Is(f.Err, answer.ErrTooLong):
			tell(http.StatusBadRequest, "context_length_exceeded")
		case errors.Is(f.Err, answer.ErrFiltered):
			tell(http.StatusBadRequest, "content_filter")
		case errors.Is(f.Err, fault.ErrNotServed):
			// The gateway's configuration is wrong, not the request: 404 would mean "not deployed".
			tell(http.StatusBadGateway, "upstream_failed")
		}
	})
}
