package money

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Count is a number of tokens as a server reports it.
type Count struct {
	Tokens int
	Said   bool // false: it is missing, null, or not a number of at least 0
}

// maxCount is the saturation of counts, far above any context.
const maxCount = math.MaxInt64 / 4

// UnmarshalJSON never fails: an answer is usable without its count. Fractions are rounded
// up, and numbers may be strings.
func (c *Count) UnmarshalJSON(data []byte) error {
	*c = Count{}
	text := string(data)
	if len(data) > 0 && data[0] == '"' {
		_ = json.Unmarshal(data, &text) // a value of another type is not a number either
	}
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789+-.eE") != "" { // ParseFloat accepts Inf, hexadecimal and more
		return nil
	}
	n, err := strconv.ParseFloat(text, 64) // out of range becomes infinite
	switch {
	case err != nil && !math.IsInf(n, 0), math.IsNaN(n), n < 0:
	case n >= maxCount:
		*c = Count{maxCount, true}
	default:
		*c = Count{int(math.Ceil(n)), true}
	}
	return nil
}

// Usage is the token count of a server. The zero value is no count.
type Usage struct {
	Input, Output Count
	Cached        Count // part of the input
	Reasoning     Count // part of the output
}

// UnmarshalJSON reads OpenAI's names and Anthropic's. A value that is not an object changes
// nothing, because an answer may hold a name twice. A total above the sum includes thinking
// tokens that the server leaves out of the output. It never fails.
func (u *Usage) UnmarshalJSON(data []byte) error {
	var s struct {
		Prompt     Count `json:"prompt_tokens"`
		Completion Count `json:"completion_tokens"`
		Total      Count `json:"total_tokens"`
		Input      Count `json:"input_tokens"`
		Output     Count `json:"output_tokens"`

		PromptParts     details `json:"prompt_tokens_details"`
		InputParts      details `json:"input_tokens_details"`
		CompletionParts details `json:"completion_tokens_details"`
		OutputParts     details `json:"output_tokens_details"`
		Hit             Count   `json:"prompt_cache_hit_tokens"`     // DeepSeek
		Read            Count   `json:"cache_read_input_tokens"`     // Anthropic
		Created         Count   `json:"cache_creation_input_tokens"` // Anthropic
	}
	if json.Unmarshal(data, &s) != nil {
		return nil //nolint:nilerr // see above
	}
	now := Usage{Input: s.Prompt, Output: s.Completion}
	if !now.Input.Said {
		now.Input = s.Input
		if s.Input.Said { // Anthropic's own count leaves out what its cache read and wrote
			now.Input.Tokens = min(maxCount, s.Input.Tokens+s.Read.Tokens+s.Created.Tokens)
		}
	}
	now.Cached = first(s.PromptParts.Cached, s.InputParts.Cached, s.Hit, s.Read)
	now.Reasoning = first(s.CompletionParts.Reasoning, s.OutputParts.Reasoning)
	if !now.Output.Said {
		now.Output = s.Output
	}
	if rest := s.Total.Tokens - now.Input.Tokens; now.Input.Said && s.Total.Said && rest >= now.Output.Tokens {
		now.Output = Count{rest, true}
	}
	if now.Input.Said || now.Output.Said {
		*u = now
	}
	return nil
}

// details are counts of parts. A value that is not an object is none.
type details struct{ Cached, Reasoning Count }

// UnmarshalJSON never fails.
func (d *details) UnmarshalJSON(data []byte) error {
	var s struct {
		Cached    Count `json:"cached_tokens"`
		Reasoning Count `json:"reasoning_tokens"`
	}
	if json.Unmarshal(data, &s) == nil {
		*d = details{s.Cached, s.Reasoning}
	}
	return nil
}

func first(counts ...Count) Count {
	for _, c := range counts {
		if c.Said {
			return c
		}
	}
	return Count{}
}

// UsageOf finds the usage in an answer whose rest may be unreadable: of other types than
// expected, or truncated after it.
func UsageOf(answer []byte) (u Usage, found bool) {
	d := json.NewDecoder(bytes.NewReader(answer))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return u, false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return u, found
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return u, found
		}
		if name == "usage" {
			_ = u.UnmarshalJSON(value) // it never fails
			found = u.Input.Said || u.Output.Said
		}
	}
	return u, found
}

// Request limits the tokens of a call.
type Request struct {
	Input     int // upper estimate of the request
	MaxInput  int // maximum that the request can have; at least Input
	MaxOutput int // of the answer; 0 = unbounded
}

// maxOutput is the maximum charge of an answer without a limit: more than any model writes
// in one answer.
const maxOutput = 1 << 20

// uncounted is how many tokens beyond max_tokens a server may count: thinking tokens and
// the end of a turn. Some servers exclude them from the limit but bill them.
const uncounted = 1024

// MaxTokens is the maximum that Settle charges, which must be reserved.
func (r Request) MaxTokens() (input, output int) {
	input, output = max(r.Input, r.MaxInput), maxOutput
	if r.MaxOutput > 0 && r.MaxOutput < maxOutput-uncounted {
		output = r.MaxOutput + uncounted
	}
	return input, output
}

// Reserved is the maximum cost of a call, in micro-USD.
func (r Request) Reserved(p Price) int64 { return p.Cost(r.MaxTokens()) }

// Settled is the charge of a call.
type Settled struct {
	Input, Output int
	Estimated     bool // the server does not report it, or reports an impossible value
}

// Settle decides the charge of a call, given how many bytes the model wrote. The rules, for
// input and output separately:
//
//   - A count from 1 to MaxTokens is used as it is, even if it is smaller than the text
//     suggests: the provider bills what it counts.
//   - A count of 0 with a text, or a count that is missing or not a number, is estimated
//     from above: the input by the request, the output by its bytes, since no token is
//     shorter than one byte.
//   - A larger count is charged at the maximum.
//
// So no answer is free by mistake, and none costs more than was reserved for it.
func (r Request) Settle(u Usage, written int) Settled {
	input, output := r.MaxTokens()
	out := Settled{Input: u.Input.Tokens, Output: u.Output.Tokens}
	switch {
	case !u.Input.Said, u.Input.Tokens == 0:
		out.Input, out.Estimated = r.Input, true
	case u.Input.Tokens > input:
		out.Input, out.Estimated = input, true
	}
	switch {
	case !u.Output.Said && written == 0:
		out.Output, out.Estimated = 0, true
	case u.Output.Tokens == 0 && written > 0:
		out.Output, out.Estimated = min(written, output-1)+1, true // plus the token that ends a turn
	case u.Output.Tokens > output:
		out.Output, out.Estimated = output, true
	}
	return out
}

// Readable reports whether a usage can be charged as it is, for an answer that cannot be
// used.
func (r Request) Readable(u Usage) bool {
	input, output := r.MaxTokens()
	return u.Input.Said && u.Input.Tokens > 0 && u.Input.Tokens <= input &&
		u.Output.Said && u.Output.Tokens > 0 && u.Output.Tokens <= output
}
