package prompt

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
)

// Completion is a Request as it is sent to a model: with everything that determines the
// answer, and nothing else.
type Completion struct {
	Model     string    `json:"model"`              // as the configuration names it
	Revision  string    `json:"revision,omitempty"` // of the model, where the configuration names one
	Messages  []Message `json:"messages"`
	Format    *Object   `json:"response_format,omitempty"` // as in Request; nil = free
	MaxTokens int       `json:"max_tokens,omitempty"`      // of the answer; 0 = the server's limit
	Stop      []string  `json:"stop,omitempty"`            // stop sequences

	Temperature *float64 `json:"temperature,omitempty"`     // nil = the server's default
	Seed        *int64   `json:"seed,omitempty"`            // of the server's sampling; nil = none is sent
	Thinking    *bool    `json:"enable_thinking,omitempty"` // the switch of Qwen3 and SmolLM3; nil = the template's default

	// Rollout makes a repeated request a different one. It is DSPy's rollout_id: part of
	// the fingerprint, and never sent.
	Rollout int64 `json:"rollout,omitempty"`
}

// Why a model ended its answer; servers may send other values.
const (
	FinishStop    = outcome.FinishStop
	FinishLength  = outcome.FinishLength
	FinishFilter  = outcome.FinishFilter
	FinishRefusal = outcome.FinishRefusal
)

// CompletionAnswer is what a model answered. A text that cannot be read, was cut off or
// refuses is an answer too: the model would repeat it.
type CompletionAnswer struct {
	Text   string `json:"text"`
	Finish string `json:"finish,omitempty"` // why it ends: FinishStop, …; "" = the server does not say
	Reason string `json:"reason,omitempty"` // of a refusal, for people
	Model  string `json:"model,omitempty"`  // name of the model, by the server

	PromptTokens     int  `json:"prompt_tokens"`
	CompletionTokens int  `json:"completion_tokens"`          // including thinking tokens
	Estimated        bool `json:"estimated_tokens,omitempty"` // the server counts none: the maximum for the texts

	CostMicroUSD int64 `json:"cost_micro_usd"`
}

// Failures of a completion that no retry changes.
var (
	// ErrTooLong marks an input fault: the messages, alone or with max_tokens, do not fit
	// into the model's context. The prompt is at fault, not the server: a candidate with
	// that many demos cannot be used.
	ErrTooLong = errors.New("the prompt does not fit into the model's context")
	// ErrNoText marks a transport fault: an answer without text, for which the server
	// reports no tokens. A starting or overloaded server answers so; some servers also do so for
	// an answer that is really empty.
	ErrNoText = errors.New("the answer is empty")
)

// Check refuses a request that no server can answer.
func (c Completion) Check() error {
	bad := func(reason string) error { return fault.New(fault.Input, "ask model", c.Model, reason) }
	switch {
	case c.Model == "":
		return bad("no model is named")
	case len(c.Messages) == 0:
		return bad("the request has no messages")
	case c.MaxTokens < 0:
		return bad(fmt.Sprintf("max_tokens must not be negative, got %d", c.MaxTokens))
	case c.Temperature != nil && !(*c.Temperature >= 0 && *c.Temperature <= 2):
		return bad(fmt.Sprintf("temperature %v is not from 0 to 2", *c.Temperature))
	}
	if _, err := json.Marshal(c.Format); err != nil {
		return fault.Wrap(fault.Input, "ask model", c.Model, err)
	}
	return nil
}

// Fingerprint names the answer: equal fingerprints are requested once. It is "" for a
// Completion that Check refuses because JSON cannot hold it. Stored answers are found by
// it, so the hashed form never changes.
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

// Price of a model's tokens, in USD per million.
type Price = money.Price

// Model is how the configuration calls a model in a role.
type Model struct {
	Name        string   `json:"model"`
	Revision    string   `json:"revision,omitempty"`
	Temperature *float64 `json:"temperature,omitempty"`     // unless a request sets its own
	MaxTokens   int      `json:"max_tokens,omitempty"`      // of an answer
	Thinking    *bool    `json:"enable_thinking,omitempty"` // nil = the template's default
	Seeded      bool     `json:"seeded,omitempty"`          // the rollout is sent as the seed
	Omit        []string `json:"omit,omitempty"`            // names of parameters that are not sent, even if a request sets them
	Server      Server   `json:"server"`                    // what its server can enforce
	Price       *Price   `json:"price,omitempty"`           // nil = unknown: the cost is unbounded
}

// Completion is the request to this model. A temperature of nil is the model's own; a
// rollout of 0 does not change the request.
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
	for _, name := range m.Omit {
		switch name {
		case "temperature":
			c.Temperature = nil
		case "max_tokens":
			c.MaxTokens = 0
		case "seed":
			c.Seed = nil
		case "response_format":
			c.Format = nil
		case "enable_thinking":
			c.Thinking = nil
		}
	}
	return c
}

// Tokens is an upper bound of the tokens of messages: no tokenizer in use makes more tokens
// than bytes, and chat templates add few per message. For plain English it is about four
// times the real number. For an image see image.Image.MaxTokens.
func Tokens(messages []Message) int {
	n := 16
	for _, m := range messages {
		n += len(m.Content) + 16
		for _, p := range m.Parts {
			if n += len(p.Text); p.Image != nil {
				n += p.Image.MaxTokens()
			}
		}
	}
	return n
}

// templateTokens is what chat templates add to a prompt without a system message: those of
// SmolLM3 and Llama add the date and instructions.
const templateTokens = 256

// Bounds limits the tokens of the completion, for the reservation and the charge. At most
// servers a schema is part of the prompt.
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

// Reserved is the maximum charge of the completion, in micro-USD; see
// money.Request.MaxTokens.
func (c Completion) Reserved(p Price) int64 { return c.Bounds().Reserved(p) }
