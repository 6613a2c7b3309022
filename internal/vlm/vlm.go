// Package vlm calls vision-language models for captions: all with OpenAI's chat protocol,
// and Cogniverse's own VLM service. The text of a model is data and is never interpreted;
// an error text, or an empty or incomplete answer, is a fault. The package does not know
// budgets, stores or workflows.
package vlm

import (
	"encoding/base64"
	"strings"
	"time"
	"unicode"

	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

const op = "describe frame"

// Options of an endpoint.
type Options struct {
	URL              string // OpenAI: base URL that ends in /v1; Cogniverse: see NewCogniverse
	Key, KeyVariable string // bearer token, and the environment variable that it came from
	Timeout          time.Duration
	Shared           *limit.Limit       // shared state of a server that other adapters call too; nil = none
	MaxInFlight      int                // calls at once; 0 = discovered
	Redactor         *safetext.Redactor // for messages of the endpoint; nil = redacts Key only
	Batch            int                // Cogniverse: frames per call; 0 or 1 = one
	Gather           time.Duration      // Cogniverse: how long a frame waits for others in the same call; 0 = 50 ms
	Params           *params.Endpoint   // parameters that OpenAI's models refuse; nil = its own, for this process
	// Prices of OpenAI's models by tokens; a call of a missing model costs the price
	// per call of its stage.
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

// shown removes the control characters of a text. They are useless for search and display,
// and some stores truncate a text at a NUL byte.
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

// price returns the token prices of a model; nil = its calls have a fixed price.
func (o Options) price(model string) *money.Price {
	if p, ok := o.Prices[model]; ok {
		return &p
	}
	return nil
}

func dataURI(jpeg []byte) string {
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(jpeg)
}
