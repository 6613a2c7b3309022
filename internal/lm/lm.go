// Package lm calls language models by OpenAI's chat protocol: vLLM, SGLang, Ollama,
// OpenAI, Anthropic's compatible endpoint. The text of a model is its answer, even if it is
// truncated, a refusal or nonsense; the caller decides. A failure of the server or the
// network is a fault and never an answer. The package does not know budgets, stores or
// workflows.
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
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/safetext"
)

const op = "ask model"

// Dialect is how a server differs from OpenAI's protocol.
type Dialect string

// The dialects.
const (
	Plain     Dialect = ""          // no difference
	Anthropic Dialect = "anthropic" // no seed, no response format, no switch for thinking, temperature up to 1, max_tokens required
)

// Options of an endpoint.
type Options struct {
	URL              string        // base URL that ends in /v1
	Key, KeyVariable string        // bearer token, and the environment variable that it came from
	Timeout          time.Duration // of one call; 0 = 5 min
	Shared           *limit.Limit  // shared state of a server that other adapters call too; nil = none
	MaxInFlight      int           // calls at once; 0 = discovered
	Dialect          Dialect
	Params           *params.Endpoint   // parameters that its models refuse; nil = its own, for this process
	Redactor         *safetext.Redactor // for messages of the endpoint; nil = redacts Key only
	// MaxCompletionTokens sends max_tokens under its newer name, which OpenAI's reasoning
	// models require and most other servers do not support.
	MaxCompletionTokens bool
	Names               map[string]string       // the server's names of models; a missing model has the same name on the server
	Prices              map[string]prompt.Price // by model; calls of a missing model cost nothing
}

// LM calls one endpoint. Make one with New.
type LM struct {
	options Options
	client  *answer.Client
	limit   *limit.Limit
	params  *params.Endpoint
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
		options: o, client: client, params: cmp.Or(o.Params, &params.Endpoint{}),
		limit: cmp.Or(o.Shared, limit.New(limit.Options{Max: o.MaxInFlight, Fixed: o.MaxInFlight > 0})),
	}
}

// Limit is the concurrency of the endpoint, as far as it is known.
func (l *LM) Limit(string) int { return l.limit.Limit() }

// Reserve is the maximum charge of a completion, in micro-USD; priced false =
// the model has no price.
func (l *LM) Reserve(c prompt.Completion) (microUSD int64, priced bool) {
	price := l.price(c.Model)
	if price == nil {
		return 0, false
	}
	return bounds(c).Reserved(*price), true
}

// Complete makes one call without retries; see fault.Class for who retries. Parameters that
// the model refuses are omitted.
func (l *LM) Complete(ctx context.Context, c prompt.Completion) (prompt.CompletionAnswer, error) {
	if err := errors.Join(c.Check(), l.check(c)); err != nil {
		return prompt.CompletionAnswer{}, money.NeverSent(err)
	}
	full, bill := l.request(c), answer.Bill(chat.Bill(l.price(c.Model), bounds(c)))
	strict := python.Dumps(full.Format) != python.Dumps(c.Format)
	said, err := params.Ask(ctx, l.params, c.Model, func(without params.Set) ([]byte, params.Set, error) {
		return chat.Fit(l.params, c.Model, full.Without(without), func(sent chat.Request) ([]byte, error) {
			body, err := json.Marshal(sent)
			if err != nil {
				return nil, money.NeverSent(fault.Wrap(fault.Input, op, c.Model, err))
			}
			key := string(c.Fingerprint())
			if without != 0 || strict || sent.MaxTokens+sent.MaxCompletionTokens != c.MaxTokens { // a server with idempotency keys has stored the refusal of the first request
				key += fmt.Sprintf("-%x", sha256.Sum256(body))[:17]
			}
			call := answer.Call{
				URL: l.options.URL + "/chat/completions", Body: body, Bill: bill, Assemble: chat.Assemble, Header: idempotency(key),
			}
			return answer.Measure(l.limit, func() ([]byte, error) { return l.client.Ask(ctx, call) })
		})
	})
	if err = explain(c.Model, err); err != nil {
		return l.filtered(c, err)
	}
	out, err := l.read(c, said)
	return out, bill.Charge(said, err)
}

// idempotency is the header with which a gateway that supports it bills a repeated call only
// once; others ignore it. The name is deliberately not in Go's canonical form: with the
// canonical name, net/http would consider the request replayable and resend it when a
// connection breaks. The endpoint could then bill one call twice.
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

// Check tests whether the endpoint serves the models.
func (l *LM) Check(ctx context.Context, models []string) error {
	path, header := "/models", http.Header{}
	if l.options.Dialect == Anthropic { // its model list does not follow OpenAI's protocol
		path += "?limit=1000" // the default page has 20 models
		header.Set("X-Api-Key", l.options.Key)
		header.Set("Anthropic-Version", "2023-06-01")
	}
	list, err := l.client.Models(ctx, l.options.URL+path, header)
	if err != nil {
		return explain("models", err)
	}
	var served, wanted []string
	for _, id := range list {
		// Ollama lists models with their tags, and accepts names without the default tag.
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
