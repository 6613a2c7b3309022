package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/zootest"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// booked makes calls without a ledger, and keeps what the ledger would book.
type booked struct {
	entry string
	micro int64
}

func (b *booked) Ticket() int64 { return 0 }

func (b *booked) Do(ctx context.Context, c video.PaidCall) (video.Paid, error) {
	ask, err := c.Prepare(ctx)
	if err != nil {
		return video.Paid{}, err
	}
	said, err := ask(money.WithEntry(ctx, b.entry))
	if b.micro = said.CostMicroUSD; err != nil {
		b.micro = money.ChargeOf(err, c.CostMicroUSD)
	}
	return video.Paid{}, err
}

// grace is an allowance for a loaded machine.
const grace = 30 * time.Second

// TestProviders: callers of the gateway are told what a server says in whatever way it says it, and
// its answers are booked as it bills them. A request for a stream gets one, whatever the server sends.
func TestProviders(t *testing.T) {
	t.Parallel()
	s := zootest.Start(t)
	for i, b := range zootest.All() {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %v", b.Name, stream), func(t *testing.T) {
				t.Parallel()
				said := askOne(t, s, i, b, stream)
				want := b.Outcome
				if b.Refuses != nil && said.err != nil {
					want = zootest.Refused // the parameters are the caller's
				}
				switch {
				case want == zootest.Empty || want == zootest.Filtered && said.err == nil:
					require.NoError(t, said.err)
				case want == zootest.Answered:
					require.NoError(t, said.err)
					require.Contains(t, said.text, zootest.Text)
				default:
					require.Error(t, said.err)
					require.Equal(t, told(want), said.code, "%d %s", said.status, said.body)
					require.ErrorContains(t, said.err, b.Reason)
					require.Equal(t, !want.OfRequest() && !said.sent, elsewhere(said.err), "%v", said.err)
				}
				if want == zootest.Busy {
					require.Equal(t, b.Wait, fault.RetryAfter(said.err))
				}
				said.paid(t, b, stream)
			})
		}
	}
}

// told is the code of the error document of an outcome.
func told(o zootest.Outcome) string {
	return map[zootest.Outcome]string{
		zootest.Filtered: "content_filter", zootest.TooLong: "context_length_exceeded", zootest.Refused: "invalid_request",
		zootest.NotServed: "upstream_failed", zootest.Denied: "upstream_auth", zootest.Busy: api.CodeBusy, zootest.Broken: "upstream_failed",
	}[o]
}

// exchanged is the end of one exchange.
type exchanged struct {
	err                      error
	status                   int
	body, text, code         string
	sent                     bool
	charge, reserved, billed int64
}

func askOne(t *testing.T, s *zootest.Server, i int, b zootest.Behaviour, stream bool) exchanged {
	t.Helper()
	e := config.Endpoint{
		Name: "zoo", Kind: config.OpenAI, URL: s.URL + "/v1", Models: []string{"served"}, Timeout: grace,
		InputUSDPerMTok: &s.Price.Input, OutputUSDPerMTok: &s.Price.Output,
	}
	if b.Endless {
		e.Timeout = 3 * time.Second
	}
	for attempt := range 20 {
		books := &booked{entry: fmt.Sprint(stream, i, attempt)}
		out := exchangeWith(t, e, books, i, stream)
		// On a slow machine the time may be over before the server has the request.
		if b.Endless && !slices.ContainsFunc(s.Requests(), func(r zootest.Request) bool { return r.Entry == books.entry }) {
			continue
		}
		for _, r := range s.Requests() {
			if r.Entry == books.entry {
				out.billed += r.Billed
			}
		}
		return out
	}
	require.Fail(t, "the server gets no request in time")
	return exchanged{}
}

func exchangeWith(t *testing.T, e config.Endpoint, books *booked, i int, stream bool) exchanged {
	t.Helper()
	d := New(config.Config{Endpoints: []config.Endpoint{e}}, func(string) string { return "" }, nil, books)
	body := fmt.Sprintf(`{"model":"served","stream":%v,"max_tokens":100,"messages":[{"role":"user","content":"What is it? %s"}]}`, stream, zootest.Mark(i))
	caller := api.Caller{Tenant: "acme", Request: "req_1"}
	q, err := ReadJSON(Chat, []byte(body), caller)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), e.Timeout+grace)
	defer cancel()
	w := httptest.NewRecorder()
	at := newPatience(ctx, time.Hour).turn(1)
	defer at.end()
	x := &exchange{d: d, s: d.byModel["served"][0], q: q, caller: caller, model: "served", w: w, turn: at}
	out := exchanged{err: x.do(), reserved: x.reserved, charge: books.micro}
	require.NoError(t, ctx.Err(), "the call ends")
	if out.err != nil && !x.sent {
		api.Write(w, api.Of(out.err))
	}
	out.status, out.body, out.sent = w.Code, w.Body.String(), x.sent
	out.text, out.code = readBack(t, out.body, stream && x.sent)
	return out
}

// readBack is the text and the error code of what a caller gets.
func readBack(t *testing.T, body string, stream bool) (text, code string) {
	t.Helper()
	type part struct {
		Content any `json:"content"`
	}
	type document struct {
		Choices []struct {
			Message, Delta part
		} `json:"choices"`
		Error *struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if !stream {
		var d document
		require.NoError(t, json.Unmarshal([]byte(body), &d), body)
		if d.Error != nil {
			return "", d.Error.Code
		}
		for _, c := range d.Choices {
			text += fmt.Sprint(c.Message.Content)
		}
		return text, ""
	}
	ended := false
	for line := range strings.SplitSeq(body, "\n") {
		data, is := strings.CutPrefix(line, "data:")
		var d document
		switch data = strings.TrimSpace(data); {
		case data == "[DONE]":
			ended = true
		case !is || json.Unmarshal([]byte(data), &d) != nil:
		case d.Error != nil:
			require.Equal(t, "stream_cut", d.Error.Code)
			code = "upstream_failed"
		default:
			for _, c := range d.Choices {
				if s, ok := c.Delta.Content.(string); ok {
					text += s
				}
			}
		}
	}
	require.NotEqual(t, ended, code != "", "a stream has an end or an error: %s", body)
	return text, code
}

// paid compares what is booked with the account of the server.
func (e exchanged) paid(t *testing.T, b zootest.Behaviour, stream bool) {
	t.Helper()
	switch {
	case b.Bill == zootest.Free || b.Bill == zootest.Exact && (!stream || e.err == nil):
		require.Equal(t, e.billed, e.charge, "%v", e.err)
	case b.Bill == zootest.Unknown && !e.sent:
		require.Equal(t, e.reserved, e.charge, "%v", e.err)
	default:
		require.GreaterOrEqual(t, e.charge, e.billed, "%v", e.err)
		require.LessOrEqual(t, e.charge, e.reserved, "%v", e.err)
	}
}
