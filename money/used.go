package money

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
)

// Used is what a call used, as far as is known; 0 = not known.
type Used struct {
	InputTokens     int64 // cached ones included
	OutputTokens    int64 // reasoning included
	CachedTokens    int64 // of the input: the server did not compute them again
	ReasoningTokens int64 // of the output
	GPUMS           int64 // milliseconds of one GPU
}

func (u Used) plus(v Used) Used {
	return Used{
		u.InputTokens + v.InputTokens, u.OutputTokens + v.OutputTokens, u.CachedTokens + v.CachedTokens,
		u.ReasoningTokens + v.ReasoningTokens, u.GPUMS + v.GPUMS,
	}
}

// maxUsed is the highest number of tokens that is taken for a count. A higher one is a mistake
// of the server.
const maxUsed = 100_000_000

// Used is the usage as it is booked. Parts are never larger than what they are a part of.
func (u Usage) Used() (out Used) {
	if n := u.Input.Tokens; n <= maxUsed {
		out.InputTokens = int64(n)
		out.CachedTokens = int64(min(u.Cached.Tokens, n))
	}
	if n := u.Output.Tokens; n <= maxUsed {
		out.OutputTokens = int64(n)
		out.ReasoningTokens = int64(min(u.Reasoning.Tokens, n))
	}
	return out
}

// UsedIn is what an answer says that it used, wherever in the answer that is. It is made for
// large answers, so it reads only the last usage.
func UsedIn(answer []byte) Used {
	name := []byte(`"usage"`) // within a string, quotes are escaped
	for end := len(answer); ; {
		at := bytes.LastIndex(answer[:end], name)
		if at < 0 {
			return Used{}
		}
		rest, value := bytes.CutPrefix(bytes.TrimLeft(answer[at+len(name):], " \t\r\n"), []byte(":"))
		var u Usage
		if value && json.NewDecoder(bytes.NewReader(rest)).Decode(&u) == nil && (u.Input.Said || u.Output.Said) {
			return u.Used()
		}
		end = at
	}
}

// Meter sums up what the requests of one call use.
type Meter struct {
	mu   sync.Mutex
	used Used
}

// Used is the sum.
func (m *Meter) Used() Used {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

type meterKey struct{}

// WithMeter returns a context in which adapters record what the requests of one call use.
func WithMeter(ctx context.Context) (context.Context, *Meter) {
	m := &Meter{}
	return context.WithValue(ctx, meterKey{}, m), m
}

// Record adds what a request used to the Meter of ctx, if there is one.
func Record(ctx context.Context, u Used) {
	if m, ok := ctx.Value(meterKey{}).(*Meter); ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.used = m.used.plus(u)
	}
}
