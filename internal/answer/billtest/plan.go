package billtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Fault is a way in which a call fails, or in which its answer is odd.
type Fault string

// The faults. Like a provider, the server bills before it sends an answer.
const (
	None Fault = ""

	// Refusals, which bill nothing.
	TooMany    Fault = "429"
	Busy       Fault = "503"
	Broken     Fault = "500"
	BadGateway Fault = "502"

	// Answers that can be used.
	OddTypes Fault = "odd types" // created as a fraction, ids as numbers, …
	Absurd   Fault = "absurd"    // the usage has impossible numbers
	NoUsage  Fault = "no usage"  // no usage

	// Answers that were billed and cannot be used, except streams of chat models.
	OtherShape Fault = "other shape" // fields have other types; the usage can be read
	Cut        Fault = "cut"         // half of the answer
	HangUp     Fault = "hang up"     // the connection is closed without an answer
	Slow       Fault = "slow"        // later than the timeout of any caller
	Page       Fault = "page"        // a proxy's HTML page
	Stream     Fault = "stream"      // a stream of events, which was not requested
	Inside     Fault = "200 error"   // an error with status 200
	TimedOut   Fault = "504"         // a proxy stopped waiting
)

// usable reports whether a caller can use the answer.
func (f Fault) usable() bool { return f == None || f == OddTypes || f == Absurd || f == NoUsage }

// free reports whether the call is not billed.
func (f Fault) free() bool { return f == TooMany || f == Busy || f == Broken || f == BadGateway }

// exact reports whether the answer says what it cost.
func (f Fault) exact() bool {
	return f.free() || f == None || f == OddTypes || f == OtherShape || f == Stream
}

// Plan decides which calls fail, and how. It depends only on its seed and the requests, so a
// run can be reproduced. With the zero value no call fails.
type Plan struct {
	Seed   uint64
	Rate   float64 // share of calls that fail, from 0 to 1
	Streak int     // maximum number of consecutive calls of one question without an answer
}

// fault is the fault of a call; call counts the calls of its question from 0.
func (p Plan) fault(question string, call int) Fault {
	all := []Fault{
		TooMany, Busy, Broken, BadGateway, OddTypes, Absurd, NoUsage,
		OtherShape, Cut, HangUp, Slow, Page, Stream, Inside, TimedOut, OddTypes, Absurd,
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", p.Seed, question, call))
	if float64(binary.BigEndian.Uint32(sum[:])) >= p.Rate*(1<<32) {
		return None
	}
	f := all[int(binary.BigEndian.Uint32(sum[4:]))%len(all)]
	if call >= p.Streak && !f.usable() {
		return None
	}
	return f
}

// absurd is an impossible usage, chosen by the call.
func absurd(question string, call int) any {
	sum := sha256.Sum256(fmt.Appendf(nil, "usage %s %d", question, call))
	all := []any{
		map[string]any{"prompt_tokens": 9e18, "completion_tokens": 9e18},
		map[string]any{"prompt_tokens": -5, "completion_tokens": -9e18},
		map[string]any{"prompt_tokens": nil, "completion_tokens": nil},
		map[string]any{"prompt_tokens": 0, "completion_tokens": 0},
		map[string]any{"prompt_tokens": "NaN", "completion_tokens": []any{}},
		map[string]any{"prompt_tokens": 0, "completion_tokens": 9e9},
		"none", 7,
		[]any{},
	}
	return all[int(sum[0])%len(all)]
}
