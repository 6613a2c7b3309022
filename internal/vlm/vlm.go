// Package vlm asks vision-language models for captions: any that speak OpenAI's chat
// protocol, and Cogniverse's own VLM service. What a model writes is data and is never
// interpreted; an error text, an empty answer or half an answer is a fault. It knows no
// budget, store or workflow.
package vlm

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

const op = "describe frame"

// Options of an endpoint.
type Options struct {
	URL              string // OpenAI: the base that ends in /v1; Cogniverse: see NewCogniverse
	Key, KeyVariable string // bearer token, and the variable it came from
	Timeout          time.Duration
	Shared           *limit.Limit       // of a server that other adapters ask too; nil = its own
	MaxInFlight      int                // calls at once; 0 = discovered
	Redactor         *safetext.Redactor // of what the endpoint says; nil = of Key only
	Batch            int                // Cogniverse: frames a call; 0 or 1 = one
	Gather           time.Duration      // Cogniverse: wait for others to share a call; 0 = 50 ms
	// Prices of OpenAI's models by tokens; a model that is missing costs what its
	// stage says a call does.
	Prices map[string]money.Price
}

func (o Options) client() *answer.Client {
	return answer.New(answer.Options{Op: op, Key: o.Key, KeyVariable: o.KeyVariable, Timeout: o.Timeout, Redactor: o.Redactor})
}

func (o Options) limit() *limit.Limit {
	if o.Shared != nil {
		return o.Shared
	}
	if o.MaxInFlight > 0 {
		return limit.New(limit.Options{Max: o.MaxInFlight, Fixed: true})
	}
	return limit.New(limit.Options{})
}

// checkText refuses what is no caption. Cogniverse's service put the errors of
// single frames where their descriptions belong.
func checkText(r *safetext.Redactor, model, text string) (string, error) {
	text = r.Keys(shown(text))
	text = strings.TrimSpace(text)
	bad := func(reason string) error { return fault.New(fault.Transport, op, model, reason) }
	switch lower := strings.ToLower(text); {
	case text == "":
		return "", bad("the answer is empty")
	case strings.HasPrefix(lower, "error:"), strings.HasPrefix(lower, "error processing"):
		return "", bad("the answer is an error: " + strconv.Quote(r.Reply(text, 300)))
	case strings.HasPrefix(lower, "<!doctype"), strings.HasPrefix(lower, "<html"):
		return "", bad("the answer is a web page")
	case strings.HasPrefix(text, `{"error"`):
		return "", bad("the answer is an error: " + strconv.Quote(r.Reply(text, 300)))
	}
	return strings.ToValidUTF8(text, "�"), nil
}

// shown drops the control characters of a text, which neither a search nor a person
// reads; a byte of null ends a text for some who store it.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

func caption(s video.Stage, text string) video.Caption {
	return video.Caption{Text: text, Model: s.Model, Revision: s.Revision, CostMicroUSD: s.CostMicroUSD}
}

// price of a model's tokens; nil = a call of it has a price as a whole.
func (o Options) price(model string) *money.Price {
	if p, ok := o.Prices[model]; ok {
		return &p
	}
	return nil
}

func dataURI(jpeg []byte) string {
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(jpeg)
}
