package prompt

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// Completion is a Request as it goes to a model: with all that determines the
// answer, and nothing that does not.
type Completion struct {
	Model     string    `json:"model"`              // as the configuration names it
	Revision  string    `json:"revision,omitempty"` // of the model, where the configuration names one
	Messages  []Message `json:"messages"`
	Format    *Object   `json:"response_format,omitempty"` // as in Request; nil = free
	MaxTokens int       `json:"max_tokens,omitempty"`      // of the answer; 0 = the server's own limit
	Stop      []string  `json:"stop,omitempty"`            // texts before which the answer ends

	Temperature *float64 `json:"temperature,omitempty"`     // nil = the server's own
	Seed        *int64   `json:"seed,omitempty"`            // of the server's draws; nil = none is sent
	Thinking    *bool    `json:"enable_thinking,omitempty"` // Qwen3's and SmolLM3's switch; nil = the template's own

	// Rollout tells apart what would be the same question. It is DSPy's
	// rollout_id: part of the fingerprint, and never sent.
	Rollout int64 `json:"rollout,omitempty"`
}

// Why a model ended its answer, beside what servers say of their own.
const (
	FinishStop    = "stop"           // it was done
	FinishLength  = "length"         // max_tokens cut it off
	FinishFilter  = "content_filter" // the server refuses, as it would again
	FinishRefusal = "refusal"        // the model refuses
)

// CompletionAnswer is what a model answered. A text that cannot be read, was cut
// off or refuses is an answer too: asked again, the model would say the same.
type CompletionAnswer struct {
	Text   string `json:"text"`
	Finish string `json:"finish,omitempty"` // why it ends there: FinishStop, …; "" = the server does not say
	Reason string `json:"reason,omitempty"` // of a refusal, for people
	Model  string `json:"model,omitempty"`  // as the server names what answered

	PromptTokens     int  `json:"prompt_tokens"`
	CompletionTokens int  `json:"completion_tokens"`          // those of thinking included
	Estimated        bool `json:"estimated_tokens,omitempty"` // the server counts none: what the texts hold at most

	CostMicroUSD int64 `json:"cost_micro_usd"`
}

// What can be wrong with a completion that no retry changes.
var (
	// ErrTooLong marks an input fault: the messages, or they and max_tokens, do
	// not fit into the model's context. It is the prompt's fault, not the
	// server's: a candidate with so many demos cannot be used.
	ErrTooLong = errors.New("the prompt does not fit into the model's context")
	// ErrNoText marks a transport fault: an answer without a text of which the
	// server also says that it made nothing. A server that starts or runs over
	// answers so; some say it of an answer that truly is empty.
	ErrNoText = errors.New("the answer is empty")
)

// Check refuses what no server can answer.
func (c Completion) Check() error {
	bad := func(reason string) error { return fault.New(fault.Input, "ask model", c.Model, reason) }
	switch {
	case c.Model == "":
		return bad("no model is named")
	case len(c.Messages) == 0:
		return bad("the request has no messages")
	case c.MaxTokens < 0:
		return bad(fmt.Sprintf("max_tokens %d is below 0", c.MaxTokens))
	case c.Temperature != nil && !(*c.Temperature >= 0 && *c.Temperature <= 2):
		return bad(fmt.Sprintf("temperature %v is not from 0 to 2", *c.Temperature))
	}
	if _, err := json.Marshal(c.Format); err != nil {
		return fault.Wrap(fault.Input, "ask model", c.Model, err)
	}
	return nil
}

// Fingerprint names the answer: equal fingerprints are asked once. It is "" for a
// Completion that Check refuses because JSON cannot hold it. Stored answers are
// found by it, so what is hashed keeps its form.
func (c Completion) Fingerprint() video.Fingerprint {
	type sampling struct {
		Model       string   `json:"model"`
		Revision    string   `json:"revision,omitempty"`
		Temperature *float64 `json:"temperature,omitempty"`
		MaxTokens   int      `json:"max_tokens,omitempty"`
		Thinking    *bool    `json:"thinking,omitempty"`
		Stop        []string `json:"stop,omitempty"`
		Seed        *int64   `json:"seed,omitempty"`
		Rollout     int64    `json:"rollout,omitempty"`
	}
	text, err := json.Marshal(struct {
		Version  int      `json:"version"`
		Request  Request  `json:"request"`
		Sampling sampling `json:"sampling"`
	}{1, Request{Messages: c.Messages, Format: c.Format}, sampling{
		Model: c.Model, Revision: c.Revision, Temperature: c.Temperature, MaxTokens: c.MaxTokens,
		Thinking: c.Thinking, Stop: c.Stop, Seed: c.Seed, Rollout: c.Rollout,
	}})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return video.Fingerprint(hex.EncodeToString(sum[:]))
}

// Price of a model's tokens, in USD a million.
type Price = money.Price

// Model is how the configuration has a model asked in some role.
type Model struct {
	Name        string   `json:"model"`
	Revision    string   `json:"revision,omitempty"`
	Temperature *float64 `json:"temperature,omitempty"`     // unless a question brings its own
	MaxTokens   int      `json:"max_tokens,omitempty"`      // of an answer
	Thinking    *bool    `json:"enable_thinking,omitempty"` // nil = the template's own
	Seeded      bool     `json:"seeded,omitempty"`          // a rollout's number is sent as the seed
	Server      Server   `json:"server"`                    // what its server can force upon an answer
	Price       *Price   `json:"price,omitempty"`           // nil = unknown: nothing bounds what it costs
}

// Completion is a request as it is put to the model. A temperature of nil is the
// model's own, and a rollout of 0 tells nothing apart.
func (m Model) Completion(r Request, temperature *float64, rollout int64) Completion {
	c := Completion{
		Model: m.Name, Revision: m.Revision, Messages: r.Messages, Format: r.Format, MaxTokens: m.MaxTokens,
		Temperature: temperature, Thinking: m.Thinking, Rollout: rollout,
	}
	if temperature == nil {
		c.Temperature = m.Temperature
	}
	if m.Seeded {
		c.Seed = &rollout
	}
	return c
}

// Tokens bounds what messages cost: no tokenizer in use makes more tokens than
// bytes, and chat templates add few around each message. Of plain English it is
// about four times what there are.
func Tokens(messages []Message) int {
	n := 16
	for _, m := range messages {
		n += len(m.Content) + 16
	}
	return n
}

// templateTokens is what chat templates add to a prompt that has no system message
// of its own: SmolLM3's and Llama's tell the date and how to answer.
const templateTokens = 256

// Bounds says what the tokens of the completion can come to, for what is reserved
// and for what is charged. A schema that the answer has to keep is part of the
// prompt at most servers.
func (c Completion) Bounds() money.Request {
	input := Tokens(c.Messages)
	most := input + templateTokens
	if c.Format != nil {
		if text, err := json.Marshal(c.Format); err == nil {
			most += len(text)
		}
	}
	return money.Request{Input: input, MaxInput: most, MaxOutput: c.MaxTokens}
}

// Reserved is the most that the completion can be charged, in micro-USD; see
// money.Request.Most.
func (c Completion) Reserved(p Price) int64 { return c.Bounds().Reserved(p) }
