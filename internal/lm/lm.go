// Package lm asks language models by OpenAI's chat protocol: vLLM, SGLang,
// Ollama, OpenAI, Anthropic's compatible endpoint. What a model writes is its
// answer, also when it is cut off, refuses or makes no sense; whoever reads it
// decides. What the server or the network did is a fault and never an answer.
package lm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/prompt"
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
	MaxInFlight      int           // calls at once; 0 = discovered
	Dialect          Dialect
	// MaxCompletionTokens sends max_tokens under its newer name, which OpenAI's
	// reasoning models insist on and most other servers do not know.
	MaxCompletionTokens bool
	Names               map[string]string       // how the server calls a model; a model that is missing is called by its name
	Prices              map[string]prompt.Price // of models; one that is missing costs nothing here
}

// LM asks one endpoint. Make one with New.
type LM struct {
	options Options
	http    *http.Client
	limit   *limit.Limit
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
	client := answer.New(answer.Options{Op: op, Key: o.Key, KeyVariable: o.KeyVariable, Timeout: o.Timeout, MaxBytes: maxAnswer})
	return &LM{
		options: o, http: client.HTTP(),
		limit: limit.New(limit.Options{Max: o.MaxInFlight, Fixed: o.MaxInFlight > 0}),
	}
}

// Limit is how many calls the endpoint takes at once, as far as is known.
func (l *LM) Limit(string) int { return l.limit.Limit() }

// Complete asks once. It does not ask again; see fault.Class for who does.
func (l *LM) Complete(ctx context.Context, c prompt.Completion) (prompt.CompletionAnswer, error) {
	if err := errors.Join(c.Check(), l.check(c)); err != nil {
		return prompt.CompletionAnswer{}, err
	}
	body, err := json.Marshal(l.request(c))
	if err != nil {
		return prompt.CompletionAnswer{}, fault.Wrap(fault.Input, op, c.Model, err)
	}
	said, err := answer.Measure(l.limit, func() (openai.ChatCompletionResponse, error) {
		var said openai.ChatCompletionResponse
		err := l.do(ctx, http.MethodPost, "/chat/completions", body, string(c.Fingerprint()), &said)
		return said, explain(c.Model, err)
	})
	if out, refused := filtered(err); refused {
		return out, nil
	}
	if err != nil {
		return prompt.CompletionAnswer{}, err
	}
	return l.read(c, said)
}

// Check asks whether the endpoint serves the models.
func (l *LM) Check(ctx context.Context, models []string) error {
	path := "/models"
	if l.options.Dialect == Anthropic {
		path += "?limit=1000" // it shows 20 otherwise
	}
	var list openai.ModelsList
	if err := l.do(ctx, http.MethodGet, path, nil, "", &list); err != nil {
		return explain("models", err)
	}
	var served, wanted []string
	for _, m := range list.Models {
		// Ollama lists a model under its tag, and takes it without the usual one.
		served = append(served, m.ID, strings.TrimSuffix(m.ID, ":latest"))
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

// do makes a call. The key of idempotency lets a gateway that knows it answer a
// call that is made again for the price of one; to others it is nothing.
func (l *LM) do(ctx context.Context, method, path string, body []byte, idempotency string, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, l.options.URL+path, bytes.NewReader(body))
	if err != nil {
		return fault.Wrap(fault.Input, op, l.options.URL, err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if idempotency != "" {
		r.Header.Set("Idempotency-Key", idempotency)
	}
	if key := l.options.Key; key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
		if l.options.Dialect == Anthropic && method == http.MethodGet { // its list of models is not of OpenAI's protocol
			r.Header.Del("Authorization")
			r.Header.Set("X-Api-Key", key)
			r.Header.Set("Anthropic-Version", "2023-06-01")
		}
	}
	response, err := l.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address
		}
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fault.New(fault.Transport, op, r.URL.Host, "the answer is not what was asked for: "+err.Error())
	}
	return nil
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
