package money_test

import (
	"encoding/json"
	"math"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/money"
)

// request can come to 100 tokens of input at most, estimated at 40, and 50 of output.
func request() money.Request { return money.Request{Input: 40, MaxInput: 100, MaxOutput: 50} }

func TestUsage(t *testing.T) {
	t.Parallel()
	for usage, want := range map[string]money.Settled{
		`{"prompt_tokens":9,"completion_tokens":4}`:                   {Input: 9, Output: 4},
		`{"prompt_tokens":9.0,"completion_tokens":3.2}`:               {Input: 9, Output: 4},
		`{"prompt_tokens":"9","completion_tokens":" 4 "}`:             {Input: 9, Output: 4},
		`{"prompt_tokens":9,"total_tokens":13}`:                       {Input: 9, Output: 4},
		`{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}`: {Input: 9, Output: 4},
		`{"prompt_tokens":9,"completion_tokens":4,"total_tokens":43}`: {Input: 9, Output: 34}, // with thoughts, which are billed
		`{"prompt_tokens":9,"completion_tokens":4,"total_tokens":2}`:  {Input: 9, Output: 4},
		`{"prompt_tokens":"9e0","completion_tokens":"0.4E1"}`:         {Input: 9, Output: 4},
		`{"input_tokens":9,"output_tokens":4}`:                        {Input: 9, Output: 4},
		`{"prompt_tokens":9,"completion_tokens":60}`:                  {Input: 9, Output: 60}, // thoughts beyond max_tokens
		`{"prompt_tokens":9,"completion_tokens":1}`:                   {Input: 9, Output: 1},  // few, but it bills what it counts
		`{"prompt_tokens":90,"completion_tokens":50}`:                 {Input: 90, Output: 50},
		`{"prompt_tokens":9,"completion_tokens":0}`:                   {Input: 9, Output: 21, Estimated: true},
		`{"prompt_tokens":9,"completion_tokens":null}`:                {Input: 9, Output: 21, Estimated: true},
		`{"prompt_tokens":9,"completion_tokens":-4}`:                  {Input: 9, Output: 21, Estimated: true},
		`{"prompt_tokens":9,"completion_tokens":"NaN"}`:               {Input: 9, Output: 21, Estimated: true},
		`{"prompt_tokens":9,"completion_tokens":"0x10"}`:              {Input: 9, Output: 21, Estimated: true},
		`{"prompt_tokens":9,"completion_tokens":[4]}`:                 {Input: 9, Output: 21, Estimated: true},
		`{"prompt_tokens":0,"completion_tokens":4}`:                   {Input: 40, Output: 4, Estimated: true},
		`{"prompt_tokens":9,"completion_tokens":9000000000000000000}`: {Input: 9, Output: 50 + 1024, Estimated: true},
		`{"prompt_tokens":9e999,"completion_tokens":9e18}`:            {Input: 100, Output: 50 + 1024, Estimated: true},
		`{"prompt_tokens":-9e18,"completion_tokens":1e-400}`:          {Input: 40, Output: 21, Estimated: true},
		`{"prompt_tokens":9,"total_tokens":2}`:                        {Input: 9, Output: 21, Estimated: true},
		`null`:                                                        {Input: 40, Output: 21, Estimated: true},
		`[]`:                                                          {Input: 40, Output: 21, Estimated: true},
		`7`:                                                           {Input: 40, Output: 21, Estimated: true},
		`{}`:                                                          {Input: 40, Output: 21, Estimated: true},
	} {
		var u money.Usage
		require.NoError(t, json.Unmarshal([]byte(usage), &u), usage)
		require.Equal(t, want, request().Settle(u, 20), usage)
	}
	require.Equal(t, money.Settled{Input: 40, Estimated: true}, request().Settle(money.Usage{}, 0), "nothing was written")
	require.Equal(t, 1<<20, money.Request{}.Settle(money.Usage{Output: money.Count{Tokens: math.MaxInt64, Said: true}}, 5).Output)
}

// TestReserved: no usage settles for more than was reserved, and a larger count
// never for less.
func TestReserved(t *testing.T) {
	t.Parallel()
	law := func(input, output, more uint32, r money.Request, written uint16, price uint8) bool {
		r = money.Request{Input: r.Input & 0xffff, MaxInput: r.MaxInput & 0x1ffff, MaxOutput: r.MaxOutput & 0x1fffff}
		p := money.Price{Input: float64(price) / 8, Output: float64(price) / 2}
		cost := func(input, output int) int64 {
			s := r.Settle(money.Usage{Input: money.Count{Tokens: input, Said: true}, Output: money.Count{Tokens: output, Said: true}}, int(written))
			return p.Cost(s.Input, s.Output)
		}
		in, out := int(input>>8)+1, int(output>>10)+1
		unsaid := r.Settle(money.Usage{}, int(written))
		return cost(in, out) <= r.Reserved(p) && cost(in, out) <= cost(in+int(more>>8), out+int(more>>10)) &&
			cost(in, 0) <= r.Reserved(p) && cost(0, out) <= r.Reserved(p) && p.Cost(unsaid.Input, unsaid.Output) <= r.Reserved(p)
	}
	require.NoError(t, quick.Check(law, &quick.Config{MaxCount: 5000}))
}

// TestUsageLaws: whatever a server says, a call costs something if anything was
// asked, and no more than its request could.
func TestUsageLaws(t *testing.T) {
	t.Parallel()
	law := func(input, output float64, said, cut uint8, written uint16) bool {
		text, err := json.Marshal(map[string]any{"usage": map[string]any{"prompt_tokens": input, "completion_tokens": output}})
		if err != nil {
			return true // NaN
		}
		u, _ := money.UsageOf(text[:len(text)-int(cut)%len(text)])
		if said%4 == 0 {
			u = money.Usage{}
		}
		s := request().Settle(u, int(written))
		return s.Input >= 1 && s.Input <= 100 && s.Output >= min(int(written), 1) && s.Output <= 50+1024
	}
	require.NoError(t, quick.Check(law, &quick.Config{MaxCount: 5000}))
}

func TestUsageOf(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]int{
		`{"created":17.5,"usage":{"prompt_tokens":9,"completion_tokens":4},"choices":"none"}`:         9,
		`{"usage":{"prompt_tokens":9,"completion_tokens":4},"choices":[{"message":{"content":"An ans`: 9,
		`{"choices":[{"message":{"content":"An ans`:                                                   0,
		`{"usage":{"prompt_tokens":9,"comple`:                                                         0,
		`{"usage":null}`:                                                                              0,
		`{"usage":{"prompt_tokens":9,"completion_tokens":4},"usage":null,"usage":{},"usage":"x"}`:     9,
		`[{"usage":{"prompt_tokens":9}}]`:                                                             0,
		`<html>`:                                                                                      0,
		``:                                                                                            0,
	} {
		u, found := money.UsageOf([]byte(answer))
		require.Equal(t, want > 0, found, answer)
		require.Equal(t, want, u.Input.Tokens, answer)
	}
}

func TestReadable(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{
		`{"usage":{"prompt_tokens":9,"completion_tokens":4}}`:    true,
		`{"usage":{"prompt_tokens":9,"completion_tokens":0}}`:    false,
		`{"usage":{"prompt_tokens":9}}`:                          false,
		`{"usage":{"prompt_tokens":101,"completion_tokens":4}}`:  false,
		`{"usage":{"prompt_tokens":9,"completion_tokens":9e18}}`: false,
	} {
		u, _ := money.UsageOf([]byte(answer))
		require.Equal(t, want, request().Readable(u), answer)
	}
}

// FuzzUsage: no answer is read with a panic, an endless loop or an absurd count.
func FuzzUsage(f *testing.F) {
	for _, seed := range []string{
		`{"usage":{"prompt_tokens":9,"completion_tokens":4}}`, `{"usage":{"prompt_tokens":"9e18"}}`, `{"usage":[]}`, `{"usage"`, `{`, ``, `{"a":{"usage":{}}}`,
		`{"usage":{"prompt_tokens":-0.0,"total_tokens":1e309}}`,
	} {
		f.Add([]byte(seed), 20)
	}
	f.Fuzz(func(t *testing.T, answer []byte, written int) {
		u, _ := money.UsageOf(answer)
		s := request().Settle(u, max(written, 0))
		require.GreaterOrEqual(t, s.Input, 1)
		require.LessOrEqual(t, s.Input, 100)
		require.GreaterOrEqual(t, s.Output, 0)
		require.LessOrEqual(t, s.Output, 50+1024)
		require.GreaterOrEqual(t, money.Price{Input: 100_000, Output: 100_000}.Cost(s.Input, s.Output), int64(1))
	})
}
