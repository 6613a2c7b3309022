// Package lm asks language models by OpenAI's chat protocol: vLLM, SGLang, Ollama,
// OpenAI, Anthropic's compatible endpoint. What a model writes is its answer, also when
// it is cut off, refuses or makes no sense; the caller decides. A failure of the server
// or the network is a fault and never an answer. It knows no budget, store or workflow.
package lm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/safetext"
)

const op = "ask model"

// Dialect is how a server departs from OpenAI's protocol.
type Dialect string

// The dialects.
const (
	Plain     Dialect = ""          // it does not
	Anthropic Dialect = "anthropic" // no seed, no response format, no switch for thinking, temperature up to 1, max_tokens required
)

// Options of an endpoint.
type Options struct {
	URL              string        // the base that ends in /v1
	Key, KeyVariable string        // bearer token, and the variable it came from
	Timeout          time.Duration // of one call; 0 = 5 min
	Shared           *limit.Limit  // of a server that other adapters ask too; nil = its own
	MaxInFlight      int           // calls at once; 0 = discovered
	Dialect          Dialect
	Redactor         *safetext.Redactor // of what the endpoint says; nil = of Key only
	// MaxCompletionTokens sends max_tokens under its newer name, which OpenAI's
	// reasoning models insist on and most other servers do not know.
	MaxCompletionTokens bool
	Names               map[string]string       // how the server calls a model; a model that is missing is called by its name
	Prices              map[string]prompt.Price // of models; one that is missing costs nothing here
}

// LM asks one endpoint. Make one with New.
type LM struct {
	options Options
	client  *answer.Client
	limit   *limit.Limit
	refused refusals
}

const (
	defaultTimeout = 5 * time.Minute
	maxAnswer      = 8 << 20 // bytes
)

// New makes an LM.
func New(o Options) *LM {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	client := answer.New(answer.Options{Op: op, Key: o.Key, KeyVariable: o.KeyVariable, Timeout: o.Timeout, MaxBytes: maxAnswer, Redactor: o.Redactor})
	return &LM{
		options: o, client: client,
		limit: cmp.Or(o.Shared, limit.New(limit.Options{Max: o.MaxInFlight, Fixed: o.MaxInFlight > 0})),
	}
}

// Limit is how many calls the endpoint takes at once, as far as is known.
func (l *LM) Limit(string) int { return l.limit.Limit() }

// Reserve is the most that a completion is charged, in micro-USD; priced false =
// its model has no price.
func (l *LM) Reserve(c prompt.Completion) (microUSD int64, priced bool) {
	price := l.price(c.Model)
	if price == nil {
		return 0, false
	}
	return c.Reserved(*price), true
}

// Complete asks once. It does not ask again; see fault.Class for who does.
func (l *LM) Complete(ctx context.Context, c prompt.Completion) (prompt.CompletionAnswer, error) {
	if err := errors.Join(c.Check(), l.check(c)); err != nil {
		return prompt.CompletionAnswer{}, money.NeverSent(err)
	}
	var here without // of this completion alone
	for {
		out, err := l.ask(ctx, c, here)
		// A refusal that is billed is one call of the ledger, and the next one another.
		if err == nil || money.IsCharged(err) || ctx.Err() != nil {
			return out.CompletionAnswer, err
		}
		now, learned := out.without.more(out.sent, err)
		if !learned {
			return out.CompletionAnswer, err
		}
		here = here.and(now)
		if !ofTheSchema(err) {
			l.refused.remember(c.Model, now)
		}
	}
}

// asked is an answer, and what was sent for it.
type asked struct {
	prompt.CompletionAnswer
	sent    request
	without without
}

// ask asks once, without what the model is known to refuse, or has refused here.
func (l *LM) ask(ctx context.Context, c prompt.Completion, here without) (asked, error) {
	out := asked{sent: l.request(c), without: l.refused.of(c.Model).and(here)}
	out.sent.leaveOut(out.without)
	body, err := json.Marshal(out.sent)
	if err != nil {
		return out, money.NeverSent(fault.Wrap(fault.Input, op, c.Model, err))
	}
	key := string(c.Fingerprint())
	if out.without != (without{}) { // a server that keeps answers by it has refused the first request
		key += fmt.Sprintf("-%x", sha256.Sum256(body))[:17]
	}
	call := answer.Call{
		URL: l.options.URL + "/chat/completions", Body: body, Bill: chat.Bill(l.price(c.Model), c.Bounds()), Assemble: chat.Assemble,
		Header: idempotency(key),
	}
	said, err := answer.Measure(l.limit, func() ([]byte, error) { return l.client.Ask(ctx, call) })
	if err = explain(c.Model, err); err != nil {
		if filter, refused := filtered(err); refused {
			out.CompletionAnswer = filter
			if reserved, priced := l.Reserve(c); priced {
				out.CostMicroUSD = money.ChargeOf(err, reserved)
			}
			return out, nil
		}
		return out, err
	}
	out.CompletionAnswer, err = l.read(c, said)
	return out, call.Bill.Charge(said, err)
}

// idempotency is the header by which a gateway that knows it answers a call that
// is made again for the price of one; to others it is nothing. Its name is not in
// the form in which Go looks headers up: net/http would take a request with this
// header for one that may be sent again, and do so by itself when a connection
// breaks. The endpoint would then be asked, and might bill, twice for one call.
func idempotency(key string) http.Header {
	if key == "" {
		return nil
	}
	return http.Header{"idempotency-key": {key}}
}

func (l *LM) price(model string) *money.Price {
	if p, ok := l.options.Prices[model]; ok {
		return &p
	}
	return nil
}

// Check asks whether the endpoint serves the models.
func (l *LM) Check(ctx context.Context, models []string) error {
	path, header := "/models", http.Header{}
	if l.options.Dialect == Anthropic { // its list of models is not of OpenAI's protocol
		path += "?limit=1000" // it shows 20 otherwise
		header.Set("X-Api-Key", l.options.Key)
		header.Set("Anthropic-Version", "2023-06-01")
	}
	list, err := l.client.Models(ctx, l.options.URL+path, header)
	if err != nil {
		return explain("models", err)
	}
	var served, wanted []string
	for _, id := range list {
		// Ollama lists a model under its tag, and takes it without the usual one.
		served = append(served, id, strings.TrimSuffix(id, ":latest"))
	}
	for _, m := range models {
		wanted = append(wanted, l.name(m))
	}
	return answer.CheckServed(dedupe(served), wanted)
}

func (l *LM) name(model string) string {
	if name := l.options.Names[model]; name != "" {
		return name
	}
	return model
}

func dedupe(list []string) []string {
	out := list[:0:0]
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}
