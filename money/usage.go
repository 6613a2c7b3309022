package money

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Count is a number of tokens as a server states it.
type Count struct {
	Tokens int
	Said   bool // false: it is missing, null, or not a number of at least 0
}

// maxCount is where counts saturate. It is far beyond any context.
const maxCount = math.MaxInt64 / 4

// UnmarshalJSON never fails: an answer is not worthless because its count is.
// Numbers may be fractions, which round up, or written as strings.
func (c *Count) UnmarshalJSON(data []byte) error {
	*c = Count{}
	text := string(data)
	if len(data) > 0 && data[0] == '"' {
		_ = json.Unmarshal(data, &text) // what is not a text is not a number either
	}
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789+-.eE") != "" { // ParseFloat knows Inf, hex and more
		return nil
	}
	n, err := strconv.ParseFloat(text, 64) // what is out of range is infinite
	switch {
	case err != nil && !math.IsInf(n, 0), math.IsNaN(n), n < 0:
	case n >= maxCount:
		*c = Count{maxCount, true}
	default:
		*c = Count{int(math.Ceil(n)), true}
	}
	return nil
}

// Usage is what a server says it counted. The zero value says nothing.
type Usage struct{ Input, Output Count }

// UnmarshalJSON reads OpenAI's names and Anthropic's. Whatever is not an object
// says nothing, and leaves what was said before: an answer may hold a name twice. A
// total beyond the sum has what the server leaves out of the output, its thoughts.
// It never fails.
func (u *Usage) UnmarshalJSON(data []byte) error {
	var s struct {
		Prompt     Count `json:"prompt_tokens"`
		Completion Count `json:"completion_tokens"`
		Total      Count `json:"total_tokens"`
		Input      Count `json:"input_tokens"`
		Output     Count `json:"output_tokens"`
	}
	if json.Unmarshal(data, &s) != nil {
		return nil //nolint:nilerr // see above
	}
	now := Usage{s.Prompt, s.Completion}
	if !now.Input.Said {
		now.Input = s.Input
	}
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

// UsageOf finds the usage in an answer of which the rest may be unreadable: of
// other types than were expected, or cut off after it.
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

// Request bounds what the tokens of a call can come to.
type Request struct {
	Input     int // an estimate from above of what was sent
	MaxInput  int // more cannot be of this request; at least Input
	MaxOutput int // of the answer; 0 = unbounded
}

// maxOutput is what an answer without a bound is charged at most: more than any
// model writes in one.
const maxOutput = 1 << 20

// beyond is how many tokens more than max_tokens a server may count: thoughts, and
// the end of a turn. Some leave them out of the bound and bill them all the same.
const beyond = 1024

// Most is the most that Settle charges: what has to be reserved.
func (r Request) Most() (input, output int) {
	input, output = max(r.Input, r.MaxInput), maxOutput
	if r.MaxOutput > 0 && r.MaxOutput < maxOutput-beyond {
		output = r.MaxOutput + beyond
	}
	return input, output
}

// Reserved is what a call may cost at most, in micro-USD.
func (r Request) Reserved(p Price) int64 { return p.Cost(r.Most()) }

// Settled is what a call is charged for.
type Settled struct {
	Input, Output int
	Estimated     bool // the server does not say it, or says what cannot be
}

// Settle decides what a call is charged for, given how many bytes the model
// wrote. The rules, each for itself of input and output:
//
//   - A count from 1 to the most that Most says is taken as it is, also if it is
//     smaller than the text would suggest: what a provider counts is what it bills.
//   - 0 beside a text, and a count that is missing or not a number, is a server
//     that does not count: it is estimated from above, an input by the request and
//     an output by its bytes, since no token is shorter than one.
//   - A count beyond is charged at the most: a larger count never costs less.
//
// So no answer is free by mistake, and none costs more than was reserved for it.
func (r Request) Settle(u Usage, written int) Settled {
	input, output := r.Most()
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
		out.Output, out.Estimated = min(written, output-1)+1, true // and the token that ends a turn
	case u.Output.Tokens > output:
		out.Output, out.Estimated = output, true
	}
	return out
}

// Readable reports whether a usage can be charged as it is, although the answer
// cannot be used and says nothing about itself.
func (r Request) Readable(u Usage) bool {
	input, output := r.Most()
	return u.Input.Said && u.Input.Tokens > 0 && u.Input.Tokens <= input &&
		u.Output.Said && u.Output.Tokens > 0 && u.Output.Tokens <= output
}
